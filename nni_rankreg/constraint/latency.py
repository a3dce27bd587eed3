"""Latency between two bounds."""

from __future__ import annotations

import math

import nni

from .additive_latency import AdditiveLatency
from .between import Between

__all__ = ['LatencyConstraint']


@nni.trace
class LatencyConstraint(Between):
    """Accept the architectures whose latency lies between two bounds.

    It is used as `Between` is.

    Parameters
    ----------
    model
        Such as `TunasLatency`.
    maximum, minimum
        Milliseconds.

    Raises
    ------
    ValueError
        If no architecture can meet the bounds: the message tells the range.

    Examples
    --------
    >>> model = AdditiveLatency({'op': {'conv': 2., 'skip': 0.}}, base=5.)
    >>> accept = LatencyConstraint(model, maximum=6.)
    >>> accept({'op': 'conv'}), accept({'op': 'skip'})
    (False, True)
    """

    def __init__(self, model: AdditiveLatency, *, maximum: float = math.inf,
                 minimum: float = -math.inf):
        super().__init__(model.latency, minimum, maximum)
        self.model = model
        fastest, slowest = model.bounds
        if maximum < fastest or minimum > slowest:
            raise ValueError(f'Expected latencies from {fastest:.3f} to {slowest:.3f} ms to lie '
                             f'between {minimum:g} and {maximum:g} ms, got none that do.')
