"""Latency as it is measured: what is timed and how, the table, and what is learned from it."""

from .agreement import Agreement
from .latency import MeasuredLatency

__all__ = ['Agreement', 'MeasuredLatency']
