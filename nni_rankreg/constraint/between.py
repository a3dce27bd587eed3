"""A number of an architecture between two bounds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import SupportsFloat

import nni
from nni.nas.profiler import Profiler
from torch import Tensor

from .._util.error import brief
from ..typing import Sample
from .profiler import ProfilerCost, is_profiler

__all__ = ['Between']

Number = Callable[[Sequence[Sample]], Tensor]


@nni.trace
class Between:
    """Accept the architectures of which a number lies between two bounds, both included.

    Samplers and searches take it as ``accept``, one-shot strategies as ``filter``. Architectures
    that are not accepted are neither drawn nor scored nor trained. Where none is accepted, the
    error tells the range of the numbers that were found.

    Parameters
    ----------
    number
        Returns the numbers of N architectures, shape (N,), for example a zero-cost proxy or a
        table; or a profiler of NNI.
    minimum, maximum
        The bounds.

    Attributes
    ----------
    lowest, highest
        Ends of the range of all numbers so far, accepted or not.

    Raises
    ------
    ValueError
        If a bound is no number, or the bounds leave nothing between them.
    TypeError
        If there is no number to ask for.

    Examples
    --------
    >>> import torch
    >>> accept = Between(lambda samples: torch.tensor([one['width'] for one in samples]), 8, 16)
    >>> [accept({'width': width}) for width in (4, 8, 16, 20)]
    [False, True, True, False]
    >>> accept.lowest, accept.highest
    (4.0, 20.0)
    """

    def __init__(self, number: Number | Profiler, minimum: float = -math.inf,
                 maximum: float = math.inf):
        for name, bound in (('minimum', minimum), ('maximum', maximum)):
            if not isinstance(bound, SupportsFloat) or math.isnan(bound):
                raise ValueError(f'Expected a number as {name}, got {brief(bound)}.')
        if minimum > maximum:
            raise ValueError('Expected a minimum up to the maximum, got the minimum '
                             f'{minimum:g} and the maximum {maximum:g}.')
        if not callable(number) and not is_profiler(number):
            raise TypeError('Expected a function of architectures or a profiler, got '
                            f'{brief(number)}.')
        self.number = ProfilerCost(number) if is_profiler(number) else number
        self.minimum, self.maximum = float(minimum), float(maximum)
        self.lowest, self.highest = math.inf, -math.inf

    def __call__(self, sample: Sample) -> bool:
        """Return whether an architecture is accepted; not if its number is NaN."""
        value = float(self.number([sample])[0])
        self.lowest, self.highest = min(self.lowest, value), max(self.highest, value)
        return self.minimum <= value <= self.maximum

    def __str__(self) -> str:
        found = (f', numbers found from {self.lowest:g} to {self.highest:g}'
                 if self.lowest <= self.highest else '')
        return f'{type(self).__name__}({self.minimum:g}, {self.maximum:g}){found}'
