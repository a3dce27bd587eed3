"""Predictors of the performance of architectures, learned from measured ones."""

from .nao import NAOController
from .sequence import TokenCodec

__all__ = ['NAOController', 'TokenCodec']
