"""Convolutions of all arguments: what is trained is what is exported.

Of several tuples NNI takes the largest one where it needs the largest of each number: of kernels
3x3, 1x5 and 5x1 it keeps weights of 5x1. Groups of some channels each, as in ``groups=width // 8``,
it divides by the channels of one once more, which leaves none. Images whose borders are reflected
it pads for the largest kernel whatever the chosen one is.
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from nni.nas.oneshot.pytorch.supermodule._expression_utils import (
    evaluate_constant,
    traverse_all_options,
)
from nni.nas.oneshot.pytorch.supermodule.operation import MixedConv2d
from torch import Tensor

__all__ = ['AnyConv2d', 'pair']


class AnyConv2d(MixedConv2d):
    """NNI's convolution, right for any arguments; a one-shot hook is its `mutate`."""

    def __init__(self, module_kwargs: dict[str, Any]):
        super().__init__({name: tuple(one) if isinstance(one, list) else one
                          for name, one in module_kwargs.items()})

    def super_init_argument(self, name: str, mutable_expr: Any) -> Any:
        """Return what the widest convolution is made with; NNI calls this."""
        if name == 'groups' and self._has_groups_of_one_size(mutable_expr):
            return max(traverse_all_options(mutable_expr))
        options = traverse_all_options(mutable_expr) if name in ('kernel_size', 'padding') else []
        if not any(isinstance(one, tuple) for one in options):
            return super().super_init_argument(name, mutable_expr)
        return tuple(map(max, zip(*map(pair, options))))

    def _has_groups_of_one_size(self, groups: Any) -> bool:
        if 'in_channels' not in self.mutable_arguments:
            return False
        try:
            evaluate_constant(self.mutable_arguments['in_channels'] / groups)
        except ValueError:
            return False
        return True

    def forward_with_args(self, in_channels: int, out_channels: int, kernel_size: Any,
                          stride: Any, padding: Any, dilation: Any, groups: int,
                          inputs: Tensor) -> Tensor:
        """Return the output for the chosen arguments; NNI calls this."""
        if self.padding_mode == 'zeros':
            return super().forward_with_args(in_channels, out_channels, kernel_size, stride,
                                             padding, dilation, groups, inputs)
        slices = self.freeze_weight(in_channels, out_channels, kernel_size, groups)
        inputs = F.pad(inputs, _sides(kernel_size, padding, dilation), self.padding_mode)
        return F.conv2d(inputs, slices['weight'], slices['bias'], stride, 0, dilation, groups)


def _sides(kernel_size: Any, padding: Any, dilation: Any) -> list[int]:
    """Return by how much an image grows on its left, right, upper and lower side."""
    if padding == 'valid':
        padding = 0
    if padding != 'same':
        vertical, horizontal = pair(padding)
        return [horizontal, horizontal, vertical, vertical]
    totals = [gap * (width - 1) for gap, width in zip(pair(dilation), pair(kernel_size))]
    return [side for total in reversed(totals) for side in (total // 2, total - total // 2)]


def pair(value: Any) -> tuple[Any, ...]:
    """Return the value of an argument for both dimensions of an image."""
    return value if isinstance(value, tuple) else (value, value)
