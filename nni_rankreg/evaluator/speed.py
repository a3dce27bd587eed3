"""What makes the steps of a training faster and leaves what they compute."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ['Speed']


@dataclass(frozen=True)
class Speed:
    """What makes the steps of a training faster and leaves what they compute, but for rounding.

    Parameters
    ----------
    fused
        Whether the optimiser is a single kernel, which is faster on a GPU.
    channels_last
        Whether the weights of convolutions, and with them what these return, have their channels
        last in memory. It is faster on CPUs and on GPUs with tensor cores; a network must not take
        the memory of images for granted, as `Tensor.view` does.

    Examples
    --------
    >>> Speed(channels_last=True)
    Speed(fused=False, channels_last=True)
    """

    fused: bool = False
    channels_last: bool = False
