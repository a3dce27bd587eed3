"""What an architecture costs: a number of at least 0, lower is better, with a name.

All costs of this package are in their unit, such as milliseconds. Where a `Scorer` is asked for, in
which higher is better, `CostScorer` makes one of a cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from .._util.error import brief
from ..typing import Sample
from .profiler import ProfilerCost, is_profiler

__all__ = ['Cost', 'NamedCost', 'as_cost', 'as_costs']

_RESERVED = ('default', 'metric', 'predicted', 'prospective_tau', 'score', 'stage')


class Cost(Protocol):
    """Anything that tells what architectures cost; `as_cost` says how a cost is named."""

    def __call__(self, samples: Sequence[Sample]) -> Tensor:
        """Return the costs of `samples`, shape (N,), at least 0, lower is better."""
        ...


class NamedCost:
    """A cost with its name; its numbers are finite and at least 0, as float64.

    Parameters
    ----------
    cost
        Returns numbers of N architectures, shape (N,).
    name
        Of the cost, for columns and messages.

    Examples
    --------
    >>> width = NamedCost(lambda samples: torch.tensor([one['x'] for one in samples]), 'width')
    >>> width([{'x': 3}])
    tensor([3.], dtype=torch.float64)
    >>> width([{'x': -3}])
    Traceback (most recent call last):
    ValueError: Expected width of at least 0, got -3 of {'x': -3}.
    """

    def __init__(self, cost: Cost, name: str):
        self.cost, self.name = cost, name

    def __call__(self, samples: Sequence[Sample]) -> Tensor:
        """Return the costs, shape (N,), float64.

        Raises
        ------
        ValueError
            If they are no numbers, there are not N of them, or one is NaN, infinite or negative.
        """
        found = self.cost(samples)
        try:
            values = torch.as_tensor(found).detach().double().cpu()
        except (RuntimeError, TypeError, ValueError) as error:
            raise ValueError(f'Expected {self.name} as a tensor of numbers, got {brief(found)}.'
                             ) from error
        if values.shape != (len(samples),):
            raise ValueError(f'Expected {self.name} of {len(samples)} architectures, shape '
                             f'({len(samples)},), got {tuple(values.shape)}.')
        wrong = ~(values.isfinite() & (values >= 0))
        if wrong.any():
            row = int(wrong.nonzero()[0])
            raise ValueError(f'Expected {self.name} of at least 0, got {values[row]:g} of '
                             f'{brief(samples[row])}.')
        return values


def as_cost(cost: Any) -> NamedCost:
    """Return a cost with its name.

    Parameters
    ----------
    cost
        A function of N architectures, or a profiler of NNI. The name of the cost is the attribute
        ``name``, or that of the function or class.

    Raises
    ------
    TypeError
        If it is no function.

    Examples
    --------
    >>> def width(samples):
    ...     return torch.tensor([one['x'] for one in samples])
    >>> as_cost(width).name
    'width'
    """
    if isinstance(cost, NamedCost):
        return cost
    if is_profiler(cost):
        cost = ProfilerCost(cost)
    if not callable(cost):
        raise TypeError('Expected a cost, which returns a number of each architecture, got '
                        f'{brief(cost)}.')
    found = getattr(cost, 'name', None) or getattr(cost, '__name__', type(cost).__name__)
    return NamedCost(cost, str(found))


def as_costs(costs: Sequence[Any]) -> list[NamedCost]:
    """Return costs with their names, which differ.

    Raises
    ------
    TypeError
        If one is no function.
    ValueError
        If two costs have the same name, or one has the name of a column of results.

    Examples
    --------
    >>> def width(samples):
    ...     return torch.tensor([one['x'] for one in samples])
    >>> as_costs([width, width])
    Traceback (most recent call last):
    ValueError: Expected costs with names of their own, got width, width.
    """
    found = [as_cost(one) for one in costs]
    names = [one.name for one in found]
    if len(set(names)) < len(names) or set(names).intersection(_RESERVED):
        raise ValueError(f'Expected costs with names of their own, got {", ".join(names)}.')
    return found
