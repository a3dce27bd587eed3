"""Terms added to the super-net's training loss so that it ranks architectures correctly."""

from .base import Regularizer, SupportsSubnetLoss
from .control import EqualCostControl
from .distillation import RankingDistillation
from .landmark import LandmarkRegularizer

__all__ = ['Regularizer', 'SupportsSubnetLoss', 'LandmarkRegularizer', 'RankingDistillation',
           'EqualCostControl']
