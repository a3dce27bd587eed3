"""The cell space of NAS-Bench-201."""

from .canonical import canonical_nasbench201
from .code import CHOICES, EDGES, decode_nasbench201, encode_nasbench201
from .space import NasBench201

__all__ = ['NasBench201', 'encode_nasbench201', 'decode_nasbench201', 'canonical_nasbench201',
           'CHOICES', 'EDGES']
