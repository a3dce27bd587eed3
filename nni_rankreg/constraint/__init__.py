"""Which architectures count: those of which a number, such as the latency, is within bounds."""

from .between import Between
from .latency import AdditiveLatency, LatencyConstraint, TableLatency, TunasLatency
from .macs import MacsConstraint

__all__ = ['Between', 'MacsConstraint', 'AdditiveLatency', 'LatencyConstraint', 'TableLatency',
           'TunasLatency']
