"""Latency between two bounds."""

from __future__ import annotations

import math

import nni

from .between import Between
from .cost import Cost, as_cost

__all__ = ['LatencyConstraint']


@nni.trace
class LatencyConstraint(Between):
    """Accept the architectures whose latency lies between two bounds.

    Use it as ``accept`` or ``filter``, see `Between`.

    Parameters
    ----------
    model
        Milliseconds of architectures: a model such as `TunasLatency`, or any cost, see `as_cost`.
    maximum, minimum
        Milliseconds.

    Raises
    ------
    ValueError
        If the model knows that no architecture meets a bound; the message has the fastest or the
        slowest latency. When an architecture is judged, if its latency is NaN or negative.

    Examples
    --------
    >>> from nni_rankreg.constraint import AdditiveLatency
    >>> model = AdditiveLatency({'op': {'conv': 2., 'skip': 0.}}, base=5.)
    >>> accept = LatencyConstraint(model, maximum=6.)
    >>> accept({'op': 'conv'}), accept({'op': 'skip'})
    (False, True)
    """

    def __init__(self, model: Cost, *, maximum: float = math.inf,
                 minimum: float = -math.inf):
        super().__init__(as_cost(model), minimum, maximum)
        self.model = model
        fastest, slowest = getattr(model, 'bounds', (0., math.inf))
        if maximum < fastest:
            raise ValueError(f'Expected a maximum of at least {fastest:.3f} ms, the fastest '
                             f'architecture, got {maximum:g}.')
        if minimum > slowest:
            raise ValueError(f'Expected a minimum of at most {slowest:.3f} ms, the slowest '
                             f'architecture, got {minimum:g}.')
