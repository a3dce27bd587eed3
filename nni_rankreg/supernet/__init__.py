"""The super-net: its training, the scores of its architectures, and what is measured of it."""

from .._util.finite import DivergedError
from .module import SuperNetModule
from .probe import RankingProbe
from .scorer import SuperNetScorer
from .scoring import Scoring
from .trained import TrainedSuperNet

__all__ = ['DivergedError', 'RankingProbe', 'Scoring', 'SuperNetModule', 'SuperNetScorer',
           'TrainedSuperNet']
