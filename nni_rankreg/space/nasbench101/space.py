"""The cell space of NAS-Bench-101, with a one-shot form, and the benchmark's code of a cell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nni.nas.nn.pytorch import ModelSpace
from nni.nas.strategy import RandomOneShot
from torch import Tensor, nn

from ..._util.size import COUNT, check_sizes
from .cell import SearchedCell, conv_bn_relu
from .supernet import PathSamplingCell101

__all__ = ['NasBench101']

_STACKS = 16  # of which each doubles the channels


class NasBench101(ModelSpace):
    """Networks of NAS-Bench-101: stacks of one cell, which has at most 7 vertices and 9 edges.

    The labels say for each of the 21 possible edges whether it is there (``cell/edge_0_1``, 0 or
    1) and name the operation of each inner vertex (``cell/op_1``). Vertices on no path from input
    to output do not count, so that many architectures describe one of the 423,624 different
    cells; `hash_nasbench101` tells which. A random architecture has no such vertices, and v
    vertices with a probability proportional to 2^v.

    In a super-net every vertex has its weights for each operation; an architecture uses the first
    channels of each layer, as many as the benchmark gives its vertices. Networks of trials have
    the benchmark's number of parameters.

    Source: Ying et al., "NAS-Bench-101", ICML 2019; super-net after Zhang et al., "AceNAS", 2021.

    Parameters
    ----------
    stem_out_channels
        Channels of the first convolution; they double from stack to stack.
    num_stacks
        Number of stacks; max-pooling between them halves the resolution.
    num_modules_per_stack
        Number of cells in each stack.
    num_labels
        Number of classes.
    bn_eps, bn_momentum
        Of batch normalisation; the defaults are the benchmark's.

    Raises
    ------
    ValueError
        If a size is no positive whole number, or is absurd.

    .. note:: The vertices of a super-net are counted after pruning, so that vertices on no path
       make no difference to the weights that an architecture uses.

    Examples
    --------
    >>> from nni_rankreg.space import decode_nasbench101
    >>> space = NasBench101(8, num_stacks=2, num_modules_per_stack=1)
    >>> network = space.freeze(decode_nasbench101(([[0, 1], [0, 0]], ['input', 'output'])))
    >>> sum(parameter.numel() for parameter in network.parameters())
    642
    """

    def __init__(self, stem_out_channels: int = 128, num_stacks: int = 3,
                 num_modules_per_stack: int = 3, num_labels: int = 10, bn_eps: float = 1e-5,
                 bn_momentum: float = 0.003):
        super().__init__()
        check_sizes(stem_out_channels=stem_out_channels, num_labels=num_labels)
        check_sizes(COUNT, num_modules_per_stack=num_modules_per_stack)
        check_sizes(_STACKS, num_stacks=num_stacks)
        norm = {'eps': bn_eps, 'momentum': bn_momentum}
        channels = stem_out_channels
        self.stem = conv_bn_relu(3, channels, 3, **norm)
        layers: list[nn.Module] = []
        for stack in range(num_stacks):
            if stack:
                layers.append(nn.MaxPool2d(2))
            for _ in range(num_modules_per_stack):
                out_channels = stem_out_channels * 2 ** stack
                layers.append(SearchedCell(channels, out_channels, **norm))
                channels = out_channels
        self.layers = nn.Sequential(*layers)
        self.classifier = nn.Linear(channels, num_labels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, shape (N, num_labels), of images, shape (N, 3, H, W)."""
        return self.classifier(self.layers(self.stem(x)).mean((2, 3)))

    @classmethod
    def extra_oneshot_hooks(cls, strategy: Any) -> list[Callable[..., Any]]:
        """Return what turns the cells into those of a super-net; NNI's strategies ask for it."""
        return [PathSamplingCell101.mutate] if isinstance(strategy, RandomOneShot) else []
