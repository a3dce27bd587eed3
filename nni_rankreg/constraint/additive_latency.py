"""Latency of architectures as a sum over their choices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..typing import Sample

__all__ = ['AdditiveLatency']

Costs = Mapping[str, Mapping[Any, float]]


class AdditiveLatency:
    """Latency as a sum over the choices of an architecture: a cost, lower is better.

    Parameters
    ----------
    costs
        Label -> choice -> milliseconds.
    base
        Milliseconds of what is fixed.

    Attributes
    ----------
    name, unit
        For columns: latency, in ms.

    Examples
    --------
    >>> model = AdditiveLatency({'op': {'conv': 2., 'skip': 0.}}, base=5.)
    >>> model([{'op': 'conv'}, {'op': 'skip'}])
    tensor([7., 5.], dtype=torch.float64)
    >>> model.bounds
    (5.0, 7.0)
    """

    name, unit = 'latency', 'ms'

    def __init__(self, costs: Costs, base: float = 0.):
        self.costs, self.base = costs, base

    def __call__(self, samples: Sequence[Sample]) -> Tensor:
        """Return milliseconds, shape (N,), float64.

        Raises
        ------
        ValueError
            If the model does not know a choice.
        """
        try:
            return torch.tensor([self.base + sum(costs[sample[label]] for label, costs
                                                 in self.costs.items()) for sample in samples],
                                dtype=torch.float64)
        except KeyError as error:
            raise ValueError('Expected architectures of the space of the latency model, with the '
                             f'labels {list(self.costs)}, got one without {error}.') from None

    @property
    def bounds(self) -> tuple[float, float]:
        """Milliseconds of the fastest and of the slowest architecture."""
        return (self.base + sum(min(costs.values()) for costs in self.costs.values()),
                self.base + sum(max(costs.values()) for costs in self.costs.values()))
