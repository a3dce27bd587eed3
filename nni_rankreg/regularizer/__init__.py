"""Terms added to the super-net's training loss so that it ranks architectures better."""

from .base import Regularizer
from .control import EqualCostControl
from .distillation import RankingDistillation
from .landmark import LandmarkRegularizer
from .term import SupportsSubnetLoss, Term, TermContext, effective_term

__all__ = ['Regularizer', 'Term', 'TermContext', 'SupportsSubnetLoss', 'LandmarkRegularizer',
           'RankingDistillation', 'EqualCostControl', 'effective_term']
