"""Decoders of depth maps."""

from .space import DepthDecoder, decode_depth, encode_depth

__all__ = ['DepthDecoder', 'encode_depth', 'decode_depth']
