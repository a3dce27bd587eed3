"""The super-net: its training, the scores of its architectures, and the search over scores."""

from .evolution import Evolution
from .module import SuperNetModule
from .scored import ScoredSample, best_first
from .scorer import SuperNetScorer

__all__ = ['Evolution', 'ScoredSample', 'SuperNetModule', 'SuperNetScorer', 'best_first']
