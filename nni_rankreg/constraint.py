"""Which architectures count: filters by a number that is measured of each."""

from __future__ import annotations

import math
from typing import Any, Callable, Sequence

import nni
import torch
from torch import Tensor

from .typing import Sample

__all__ = ['Between', 'MacsConstraint']

Measure = Callable[[Sequence[Sample]], Tensor]


@nni.trace
class Between:
    """Accept the architectures of which a number lies between two bounds, both included.

    It is a filter of samplers, of `Evolution` and of the strategies (``filter=``): others are
    neither drawn nor scored nor trained. Where none is found, their error tells the range of the
    numbers that were.

    Parameters
    ----------
    measure
        Returns the numbers of N architectures, shape (N,), for example a zero-cost proxy or a
        table.
    minimum, maximum
        The bounds.

    Attributes
    ----------
    lowest, highest
        Of all numbers so far, accepted or not.

    Raises
    ------
    ValueError
        If the bounds leave nothing between them.

    Examples
    --------
    >>> import torch
    >>> accept = Between(lambda samples: torch.tensor([one['width'] for one in samples]), 8, 16)
    >>> [accept({'width': width}) for width in (4, 8, 16, 20)]
    [False, True, True, False]
    >>> accept.lowest, accept.highest
    (4.0, 20.0)
    """

    def __init__(self, measure: Measure, minimum: float = -math.inf, maximum: float = math.inf):
        if not minimum <= maximum:
            raise ValueError(f'Expected a minimum up to the maximum, got {minimum} and {maximum}.')
        self.measure, self.minimum, self.maximum = measure, minimum, maximum
        self.lowest, self.highest = math.inf, -math.inf

    def __call__(self, sample: Sample) -> bool:
        """Return whether an architecture is accepted; not if its number is NaN."""
        value = float(self.measure([sample])[0])
        self.lowest, self.highest = min(self.lowest, value), max(self.highest, value)
        return self.minimum <= value <= self.maximum

    def __str__(self) -> str:
        found = (f', numbers found from {self.lowest:g} to {self.highest:g}'
                 if self.lowest <= self.highest else '')
        return f'{type(self).__name__}({self.minimum:g}, {self.maximum:g}){found}'


@nni.trace
class MacsConstraint(Between):
    """Accept the architectures whose multiply-accumulates lie between two bounds; a filter.

    It travels to trials, with the arguments of the space.

    Parameters
    ----------
    space
        One that knows the cost of its architectures: `ProxylessNAS` or `ResNet48`.
    maximum, minimum
        Millions.
    pixels
        Side of the images.

    Raises
    ------
    TypeError
        If the space does not know the cost.

    Examples
    --------
    >>> from nni_rankreg.space import ProxylessNAS, decode_proxyless
    >>> accept = MacsConstraint(ProxylessNAS(), maximum=300.)
    >>> accept(decode_proxyless([0, 1, 0, 6, 6, 2, 0, 1, 1, 5, 1, 1, 1,
    ...                          4, 1, 1, 1, 5, 5, 2, 2, 5])), accept.highest
    (False, 320.427584)
    """

    def __init__(self, space: Any, *, maximum: float = math.inf, minimum: float = -math.inf,
                 pixels: int = 224):
        super().__init__(self.macs, minimum, maximum)
        if not hasattr(space, 'cost'):
            raise TypeError('Expected a space that knows the cost of its architectures, such as '
                            f'ProxylessNAS, got {type(space).__name__}. See Between for others.')
        self.space, self.pixels = space, pixels

    def macs(self, samples: Sequence[Sample]) -> Tensor:
        """Return millions of multiply-accumulates, shape (N,), float64."""
        return torch.tensor([self.space.cost(sample, self.pixels).macs / 1e6
                             for sample in samples], dtype=torch.float64)
