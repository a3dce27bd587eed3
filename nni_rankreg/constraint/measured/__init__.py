"""Latency as it is measured: what is timed and how, the table, and what is learned from it."""

from .latency import Agreement, MeasuredLatency

__all__ = ['Agreement', 'MeasuredLatency']
