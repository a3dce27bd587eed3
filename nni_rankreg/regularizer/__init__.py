"""Terms added to the super-net's training loss so that it ranks architectures correctly."""

from .base import Regularizer, SupportsSubnetLoss
from .control import EqualCostControl
from .distillation import RankingDistillation
from .landmark import LandmarkRegularizer
from .source import ResultsSource, read_results

__all__ = ['Regularizer', 'SupportsSubnetLoss', 'LandmarkRegularizer', 'RankingDistillation',
           'EqualCostControl', 'ResultsSource', 'read_results']
