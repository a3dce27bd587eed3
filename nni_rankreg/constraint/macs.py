"""Multiply-accumulates between two bounds, for spaces that know those of their architectures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import nni
import torch
from torch import Tensor

from .._util.size import check_sizes
from ..typing import Sample
from .between import Between
from .profiler import ProfilerCost, is_profiler

__all__ = ['MacsConstraint']


@nni.trace
class MacsConstraint(Between):
    """Accept the architectures whose multiply-accumulates lie between two bounds.

    Use it as ``accept`` or ``filter``, see `Between`. The constraint travels to trials with the
    arguments of the space.

    Parameters
    ----------
    space
        A space with a method ``cost``, `ProxylessNAS` or `ResNet48`; or NNI's `FlopsProfiler` of
        any space, which counts normalisation and activations, too.
    maximum, minimum
        Millions of multiply-accumulates.
    pixels
        Side of the images; NNI's profiler takes that of its example instead.

    Raises
    ------
    TypeError
        If the space does not know the cost.
    ValueError
        If a bound is no number, or the side no positive whole number.

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
        if not hasattr(space, 'cost') and not is_profiler(space):
            raise TypeError('Expected a space that knows the cost of its architectures, such as '
                            "ProxylessNAS, or NNI's FlopsProfiler, got "
                            f'{type(space).__name__}. See Between for others.')
        check_sizes(pixels=pixels)
        self.space, self.pixels = space, pixels

    def macs(self, samples: Sequence[Sample]) -> Tensor:
        """Return millions of multiply-accumulates, shape (N,), float64."""
        if is_profiler(self.space):
            return ProfilerCost(self.space)(samples) / 1e6
        return torch.tensor([self.space.cost(sample, self.pixels).macs / 1e6
                             for sample in samples], dtype=torch.float64)
