"""Which architectures count: those of which a number, such as the latency, is within bounds."""

from ..sampler.all_of import AllOf, all_of
from .additive_latency import AdditiveLatency
from .between import Between
from .cost import Cost, NamedCost, as_cost, as_costs
from .cost_scorer import CostScorer
from .latency import LatencyConstraint
from .macs import MacsConstraint
from .measured import Agreement, MeasuredLatency
from .table_latency import TableLatency
from .tunas_latency import TunasLatency

__all__ = ['Between', 'MacsConstraint', 'AdditiveLatency', 'Agreement', 'AllOf', 'Cost',
           'CostScorer', 'LatencyConstraint', 'MeasuredLatency', 'NamedCost', 'TableLatency',
           'TunasLatency', 'all_of', 'as_cost', 'as_costs']
