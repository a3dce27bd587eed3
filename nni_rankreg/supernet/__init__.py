"""The super-net: its training, the scores of its architectures, and the search over scores."""

from .evolution import Evolution, ScoredSample
from .module import SuperNetModule
from .scorer import SuperNetScorer

__all__ = ['Evolution', 'ScoredSample', 'SuperNetModule', 'SuperNetScorer']
