"""The cell space of NAS-Bench-101."""

from .canonical import canonical_nasbench101
from .code import ModelSpec, decode_nasbench101, encode_nasbench101, hash_nasbench101
from .labels import by_edges
from .space import NasBench101

__all__ = ['NasBench101', 'ModelSpec', 'encode_nasbench101', 'decode_nasbench101',
           'hash_nasbench101', 'canonical_nasbench101', 'by_edges']
