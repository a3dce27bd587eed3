"""The super-net: its training, and the scores of its architectures."""

from .module import SuperNetModule
from .scorer import SuperNetScorer

__all__ = ['SuperNetModule', 'SuperNetScorer']
