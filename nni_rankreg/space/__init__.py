"""Search spaces with their encodings in the literature; each is an NNI model space."""

from .nasbench201 import NasBench201, decode_nasbench201, encode_nasbench201
from .parameters import choice_parameters

__all__ = ['NasBench201', 'encode_nasbench201', 'decode_nasbench201', 'choice_parameters']
