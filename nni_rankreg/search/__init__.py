"""What searches a scorer: the best of many candidates, and evolution."""

from .candidates import Candidates, UniformDraw
from .evolution import Evolution
from .scored import ScoredSample, best_first

__all__ = ['Candidates', 'Evolution', 'ScoredSample', 'UniformDraw', 'best_first']
