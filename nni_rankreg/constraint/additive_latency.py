"""Latency of architectures as a sum over their choices."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from .._util.error import brief
from ..typing import Sample

__all__ = ['AdditiveLatency']

Costs = Mapping[str, Mapping[Any, float]]


class AdditiveLatency:
    """Latency as a sum over the choices of an architecture: a cost, lower is better.

    Parameters
    ----------
    costs
        Label -> choice -> milliseconds; of a learned model some may be below 0.
    base
        Milliseconds of what is fixed.

    Raises
    ------
    ValueError
        If it is no such table, or a number in it is not finite.

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
        if not (isinstance(costs, Mapping) and all(
                isinstance(one, Mapping) and one for one in costs.values())):
            raise ValueError('Expected label -> choice -> milliseconds as costs, got '
                             f'{brief(costs)}.')
        _check('base', base)
        for label, choices in costs.items():
            for choice, milliseconds in choices.items():
                _check(f'{choice!r} of {label!r}', milliseconds)
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


def _check(name: str, milliseconds: Any) -> None:
    if not (isinstance(milliseconds, Real) and math.isfinite(milliseconds)):
        raise ValueError(f'Expected finite milliseconds of {name}, got {brief(milliseconds)}.')
