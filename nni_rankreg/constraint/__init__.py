"""Which architectures count: those of which a number, such as the latency, is within bounds."""

from .additive_latency import AdditiveLatency
from .between import Between
from .latency import LatencyConstraint
from .macs import MacsConstraint
from .table_latency import TableLatency
from .tunas_latency import TunasLatency

__all__ = ['Between', 'MacsConstraint', 'AdditiveLatency', 'LatencyConstraint', 'TableLatency',
           'TunasLatency']
