"""Cells of NAS-Bench-101: one architecture's, and one that holds the weights of all.

NNI's own cell has no one-shot form, and projects the input to every vertex, whether or not they
are connected, so that its networks have more parameters than the benchmark's.
"""

from __future__ import annotations

import operator
from functools import reduce
from typing import Any

import torch
from nni.nas.nn.pytorch import MutableModule
from torch import Tensor, nn
from torch.nn import functional

from ...typing import Sample
from .code import OPERATIONS, ModelSpec, spec_of
from .constraint import CellConstraint
from .graph import VERTICES, vertex_channels

__all__ = ['FixedCell', 'SearchedCell', 'conv_bn_relu']

_OUTPUT = 'output'  # name of the output's projection, whatever the number of vertices


def conv_bn_relu(in_channels: int, out_channels: int, kernel: int, **norm: Any) -> nn.Sequential:
    """Return a convolution without bias, batch normalisation and ReLU."""
    return nn.Sequential(
        _initialised(nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2,
                               bias=False)),
        nn.BatchNorm2d(out_channels, **norm), nn.ReLU(inplace=True))


def _initialised(conv: nn.Conv2d) -> nn.Conv2d:
    """Draw weights as the benchmark does: truncated normal, variance 1 / fan-in."""
    deviation = conv.weight[0].numel() ** -.5 / .87962566103423978  # of the normal, truncated at 2
    nn.init.trunc_normal_(conv.weight, std=deviation, a=-2 * deviation, b=2 * deviation)
    return conv


class _SlicedConvBnRelu(nn.Sequential):
    """`conv_bn_relu` for any number of channels up to the largest: the first ones are used."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, **norm: Any):
        super().__init__(
            _initialised(_SlicedConv2d(in_channels, out_channels, kernel, padding=kernel // 2,
                                       bias=False)),
            _SlicedBatchNorm2d(out_channels, **norm), nn.ReLU(inplace=True))

    def forward(self, input: Tensor, channels: int | None = None) -> Tensor:
        return self[2](self[1](self[0](input, channels)))


class _SlicedConv2d(nn.Conv2d):
    def forward(self, input: Tensor, channels: int | None = None) -> Tensor:
        """Return the first `channels` of the result; `input` may have less channels, too."""
        return functional.conv2d(input, self.weight[:channels, :input.size(1)],
                                 padding=tuple(map(int, self.padding)))


class _SlicedBatchNorm2d(nn.BatchNorm2d):
    def forward(self, input: Tensor) -> Tensor:
        """Normalise with the statistics and weights of the channels that there are."""
        first = slice(input.size(1))
        tracked = not self.training or self.track_running_stats
        mean, var = (buffer[first] if tracked and buffer is not None else None  # views
                     for buffer in (self.running_mean, self.running_var))
        return functional.batch_norm(
            input, mean, var, self.weight[first], self.bias[first], self.training,
            0. if self.momentum is None else self.momentum, self.eps)


class _Path:
    """What the two cells share: the way through the vertices."""

    projections: nn.ModuleDict  # vertex -> module that the cell's input goes through
    operations: Any             # vertex -> name -> module
    spec: ModelSpec
    channels: tuple[int, ...]   # of each vertex

    def forward(self, x: Tensor) -> Tensor:
        """Return the output of the cell."""
        matrix, channels = self.spec.matrix, self.channels
        last = len(matrix) - 1
        tensors = [x]
        for vertex in range(1, last):
            inputs = [tensors[source][:, :channels[vertex]] for source in range(1, vertex)
                      if matrix[source][vertex]]
            if matrix[0][vertex]:
                inputs.append(self._run(self.projections[str(vertex)], x, channels[vertex]))
            operation = self.operations[str(vertex)][self.spec.ops[vertex]]
            tensors.append(self._run(operation, reduce(operator.add, inputs), channels[vertex]))
        merged = [tensors[vertex] for vertex in range(1, last) if matrix[vertex][last]]
        outputs = [torch.cat(merged, 1)] if merged else []
        if matrix[0][last]:
            outputs.append(self._run(self.projections[_OUTPUT], x, channels[last]))
        return reduce(operator.add, outputs)

    def _run(self, module: nn.Module, x: Tensor, channels: int) -> Tensor:
        return module(x, channels) if isinstance(module, _SlicedConvBnRelu) else module(x)


class FixedCell(_Path, nn.Module):
    """The cell of one architecture, as the benchmark trains it.

    Parameters
    ----------
    spec
        The cell.
    in_channels, out_channels
        Channels of its input and output.
    **norm
        Arguments of batch normalisation.
    """

    def __init__(self, spec: ModelSpec, in_channels: int, out_channels: int, **norm: Any):
        super().__init__()
        self.spec, last = spec, len(spec.matrix) - 1
        self.channels = vertex_channels(spec.matrix, in_channels, out_channels)
        self.projections, self.operations = nn.ModuleDict(), nn.ModuleDict()
        for vertex in range(1, last + 1):
            channels = self.channels[vertex]
            if spec.matrix[0][vertex]:
                name = _OUTPUT if vertex == last else str(vertex)
                self.projections[name] = conv_bn_relu(in_channels, channels, 1, **norm)
            if vertex < last:
                name = spec.ops[vertex]
                self.operations[str(vertex)] = nn.ModuleDict({
                    name: nn.MaxPool2d(3, 1, 1) if name == 'maxpool3x3'
                    else conv_bn_relu(channels, channels, _kernel(name), **norm)})


def _kernel(operation: str) -> int:
    return {'conv3x3-bn-relu': 3, 'conv1x1-bn-relu': 1}[operation]


class SearchedCell(_Path, MutableModule):
    """A cell to be searched, with weights for all architectures; parameters as of `FixedCell`.

    An architecture uses the first channels of every layer, as many as its vertices have.
    """

    def __init__(self, in_channels: int, out_channels: int, **norm: Any):
        super().__init__()
        self.in_channels, self.out_channels, self.norm = in_channels, out_channels, norm
        self.projections = nn.ModuleDict({
            name: _SlicedConvBnRelu(in_channels, out_channels, 1, **norm)
            for name in [*map(str, range(1, VERTICES - 1)), _OUTPUT]})
        self.operations = nn.ModuleDict({
            str(vertex): nn.ModuleDict({
                name: nn.MaxPool2d(3, 1, 1) if name == 'maxpool3x3'
                else _SlicedConvBnRelu(out_channels, out_channels, _kernel(name), **norm)
                for name in OPERATIONS})
            for vertex in range(1, VERTICES - 1)})
        self.constraint = self.add_mutable(CellConstraint())
        self.activate(self.constraint.standard())

    @classmethod
    def create_fixed_module(cls, sample: Sample, in_channels: int, out_channels: int,
                            **norm: Any) -> FixedCell:
        """Return the cell of an architecture with new weights; NNI calls this in a trial."""
        return FixedCell(spec_of(sample), in_channels, out_channels, **norm)

    def activate(self, sample: Sample) -> None:
        """Switch to an architecture."""
        self.spec = spec_of(sample)
        self.channels = vertex_channels(self.spec.matrix, self.in_channels, self.out_channels)

    def freeze(self, sample: Sample) -> FixedCell:
        """Return the cell of an architecture with the weights it has here."""
        self.validate(sample)
        cell = FixedCell(spec_of(sample), self.in_channels, self.out_channels, **self.norm)
        own = self.state_dict()
        for name, tensor in cell.state_dict().items():
            tensor.copy_(own[name][tuple(map(slice, tensor.shape))])
        return cell.to(next(self.parameters())).train(self.training)
