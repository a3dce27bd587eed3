"""Decoders of depth maps."""

from .canonical import canonical_depth
from .code import decode_depth, encode_depth
from .space import DepthDecoder

__all__ = ['DepthDecoder', 'encode_depth', 'decode_depth', 'canonical_depth']
