"""Parameters and multiply-accumulates of networks of convolutions, from their shapes alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

__all__ = ['Convolution', 'Cost', 'total_cost']


class Convolution(NamedTuple):
    """A convolution without bias, followed by batch normalisation.

    Parameters
    ----------
    inputs, outputs
        Channels.
    kernel
        Side of the kernel.
    pixels
        Side of the output.
    groups
        As of `torch.nn.Conv2d`.
    """

    inputs: int
    outputs: int
    kernel: int
    pixels: int
    groups: int = 1

    @property
    def weights(self) -> int:
        """Number of weights, normalisation not counted."""
        return self.inputs // self.groups * self.outputs * self.kernel ** 2


class Cost(NamedTuple):
    """Size of the network of an architecture.

    Parameters
    ----------
    params
        All parameters, those of normalisation and biases too.
    macs
        Multiply-accumulates of convolutions and classifier for one image, each counted once.
    """

    params: int
    macs: int


def total_cost(convolutions: Iterable[Convolution], features: int, labels: int) -> Cost:
    """Return the cost of convolutions and a linear classifier of `features` inputs.

    Examples
    --------
    >>> total_cost([Convolution(3, 8, 3, pixels=10)], features=8, labels=10)
    Cost(params=322, macs=21680)
    """
    layers = list(convolutions)
    return Cost(
        sum(layer.weights + 2 * layer.outputs for layer in layers) + (features + 1) * labels,
        sum(layer.weights * layer.pixels ** 2 for layer in layers) + features * labels)
