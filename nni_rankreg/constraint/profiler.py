"""NNI's profilers in the place of functions of architectures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .._util.error import brief
from ..typing import Sample

__all__ = ['ProfilerCost', 'is_profiler']


def is_profiler(number: Any) -> bool:
    """Return whether something is one of NNI's profilers, with a method ``profile(sample)``."""
    return callable(getattr(number, 'profile', None)) and not callable(number)


class ProfilerCost:
    """What a profiler of NNI tells of architectures, such as FLOPs: a cost.

    Parameters
    ----------
    profiler
        Its ``profile(sample)`` returns a number, for example `nni.nas.profiler.pytorch.flops.
        FlopsProfiler`, which counts each multiply-accumulate once.

    Attributes
    ----------
    name
        That of the class without ``Profiler``, such as flops.

    Examples
    --------
    >>> from nni.nas.profiler import ExpressionProfiler
    >>> class Width(ExpressionProfiler):
    ...     def __init__(self):
    ...         self.expression = 8.
    >>> cost = ProfilerCost(Width())
    >>> cost.name, cost([{}, {}])
    ('width', tensor([8., 8.], dtype=torch.float64))
    """

    def __init__(self, profiler: Any):
        self.profiler = profiler
        self.name = type(profiler).__name__.removesuffix('Profiler').lower()

    def __call__(self, samples: Sequence[Sample]) -> Tensor:
        """Return the numbers of N architectures, shape (N,), float64.

        Raises
        ------
        TypeError
            If the profiler tells several numbers.
        """
        found = [self.profiler.profile(sample) for sample in samples]
        try:
            return torch.tensor(list(map(float, found)), dtype=torch.float64)
        except TypeError as error:
            raise TypeError(f'Expected a profiler of one number, got {brief(found[0])}: take '
                            'FlopsProfiler or NumParamsProfiler.') from error
