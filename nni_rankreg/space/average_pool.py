"""Average pooling of 3 x 3 pixels that is fast on CPUs."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ['AveragePool3x3']


class AveragePool3x3(nn.AvgPool2d):
    """Mean of each pixel and its neighbours, as many as there are; stride 1.

    That is ``nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)``, to rounding. On a CPU
    it is the sum over rows and columns, one after the other, times one over the count: PyTorch's
    own kernel takes eight times as long there.

    Examples
    --------
    >>> AveragePool3x3()(torch.tensor([[[[3., 6.], [0., 3.]]]])).flatten().tolist()
    [3.0, 3.0, 3.0, 3.0]
    """

    def __init__(self) -> None:
        super().__init__(3, stride=1, padding=1, count_include_pad=False)

    def forward(self, input: Tensor) -> Tensor:
        """Return the means, of the shape of the input (N, C, H, W)."""
        if input.device.type != 'cpu':
            return super().forward(input)
        return _BoxSum.apply(input) * _weights(*input.shape[-2:], input.dtype)


class _BoxSum(torch.autograd.Function):
    """Sum over 3 x 3 pixels, zeros around them. It is its own transpose, so its own gradient."""

    @staticmethod
    def forward(ctx: Any, input: Tensor) -> Tensor:
        return _sum_of_neighbours(_sum_of_neighbours(input, 3), 2)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _BoxSum.apply(gradient)


def _sum_of_neighbours(input: Tensor, dim: int) -> Tensor:
    total, size = input.clone(), input.shape[dim] - 1
    total.narrow(dim, 1, size).add_(input.narrow(dim, 0, size))
    total.narrow(dim, 0, size).add_(input.narrow(dim, 1, size))
    return total


@lru_cache(maxsize=64)
def _weights(height: int, width: int, dtype: torch.dtype) -> Tensor:
    with torch.inference_mode(False):  # or a first use in validation would spoil it for training
        rows, columns = (torch.tensor([min(index + 2, size) - max(index - 1, 0)
                                       for index in range(size)], dtype=dtype)
                         for size in (height, width))
        return 1 / (rows[:, None] * columns)
