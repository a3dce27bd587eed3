"""Search spaces with their encodings in the literature; each is an NNI model space."""

from .nasbench101 import decode_nasbench101, encode_nasbench101
from .nasbench201 import NasBench201, decode_nasbench201, encode_nasbench201
from .parameters import choice_parameters

__all__ = ['NasBench201', 'encode_nasbench201', 'decode_nasbench201', 'encode_nasbench101',
           'decode_nasbench101', 'choice_parameters']
