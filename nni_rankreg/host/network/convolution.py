"""Convolutions whose kernels to choose from are no squares.

NNI takes the largest of several tuples where it needs the largest of each number: of kernels 3x3,
1x5 and 5x1 it keeps weights of 5x1, so that what it trains is none of them.
"""

from __future__ import annotations

from typing import Any

from nni.nas.oneshot.pytorch.supermodule._expression_utils import traverse_all_options
from nni.nas.oneshot.pytorch.supermodule.operation import MixedConv2d

__all__ = ['AnyKernelConv2d']


class AnyKernelConv2d(MixedConv2d):
    """NNI's convolution with room for each of its kernels; a one-shot hook is its `mutate`."""

    def super_init_argument(self, name: str, mutable_expr: Any) -> Any:
        """Return what the widest convolution is made with; NNI calls this."""
        options = traverse_all_options(mutable_expr) if name in ('kernel_size', 'padding') else []
        if not any(isinstance(one, tuple) for one in options):
            return super().super_init_argument(name, mutable_expr)
        return tuple(map(max, zip(*(one if isinstance(one, tuple) else (one, one)
                                    for one in options))))
