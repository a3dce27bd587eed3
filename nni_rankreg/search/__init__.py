"""What searches a scorer: the best of many candidates, evolution, and a front."""

from .candidates import Candidates
from .evolution import Evolution
from .front import ParetoFront
from .scored import ScoredSample, best_first, score_samples
from .uniform_draw import UniformDraw

__all__ = ['Candidates', 'Evolution', 'ParetoFront', 'ScoredSample', 'UniformDraw', 'best_first',
           'score_samples']
