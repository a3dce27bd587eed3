"""Search strategies for NNI's experiments."""

from .spos import SPOS

__all__ = ['SPOS']
