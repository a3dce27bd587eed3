"""What searches a scorer: the best of many candidates, and evolution."""

from .candidates import Candidates
from .evolution import Evolution
from .scored import ScoredSample, best_first, score_samples
from .uniform_draw import UniformDraw

__all__ = ['Candidates', 'Evolution', 'ScoredSample', 'UniformDraw', 'best_first',
           'score_samples']
