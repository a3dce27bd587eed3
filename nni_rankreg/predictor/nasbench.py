"""Encoders of NAS-Bench-201 and NAS-Bench-101."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..space.nasbench101 import by_edges
from ..space.nasbench201 import CHOICES, EDGES
from ..typing import Sample
from .graph import Graphs, NodeFeatures, choice_indices, on_path, one_hot

__all__ = ['NasBench101Encoder', 'NasBench201Encoder']

_VERTICES = 7
_OPERATIONS = ('conv3x3-bn-relu', 'conv1x1-bn-relu', 'maxpool3x3')


class NasBench201Encoder:
    """NAS-Bench-201: a node for each of the six operations, and the cell's input and output.

    An edge leads from an operation to those that read its result. Operations that are `none`, or
    that for this reason are on no path from input to output, are left out.

    Examples
    --------
    >>> sample = {f'cell/{i}_{j}': 'none' for i, j in EDGES} | {'cell/0_3': 'conv_3x3'}
    >>> graphs = NasBench201Encoder()([sample])
    >>> graphs.mask[0, 0].tolist()
    [True, False, False, False, True, False, False, True]
    """

    node_features = NodeFeatures(
        (*CHOICES, 'input', 'output'),
        tuple(index for index, name in enumerate(CHOICES) if name != 'none'))

    def __init__(self) -> None:
        operations = {name: index for index, name in enumerate(CHOICES)}
        self._none, self._tags = operations['none'], len(operations) + 2
        self._tables = {
            f'cell/{source}_{target}': operations for source, target in EDGES}
        edges = [(-1, 0), *EDGES, (3, 4)]      # the cell's input and output as edges, too
        self._edges = torch.tensor([[float(first[1] == second[0]) for second in edges]
                                    for first in edges])
        self._first = torch.arange(8) == 0
        self._last = torch.arange(8) == 7

    def __call__(self, samples: Sequence[Sample]) -> Graphs:
        """Return a graph of 8 nodes for each architecture."""
        count = len(samples)
        operations = choice_indices(samples, self._tables)
        ends = torch.full((count, 1), self._tags - 2)
        tags = torch.cat([ends, operations, ends + 1], dim=1)
        mask = tags != self._none
        first, last = self._first.expand_as(mask), self._last.expand_as(mask)
        mask = on_path(self._edges, mask, first, last)
        edges = self._edges * mask[:, :, None] * mask[:, None, :]
        features = one_hot(tags, self._tags, mask)
        return Graphs(features[:, None], edges[:, None], mask[:, None], torch.zeros(count, 0))


class NasBench101Encoder:
    """NAS-Bench-101: the vertices of the cell, without those on no path from input to output.

    It takes architectures as NNI's `NasBench101` labels them, ``cell/num_nodes``, ``cell/op1``,
    ``cell/input1`` ..., and those with a label for each of the 21 possible edges, 0 or 1, and for
    the operation of each inner vertex: ``cell/edge_0_1``, ``cell/op_1`` ...

    Examples
    --------
    >>> sample = {'cell/num_nodes': 3, 'cell/op1': 'maxpool3x3', 'cell/input1': [0],
    ...           'cell/input2': [1]}
    >>> graphs = NasBench101Encoder()([sample])
    >>> graphs.features[0, 0].argmax(dim=1)[graphs.mask[0, 0]]     # input, pooling, output
    tensor([0, 4, 1])
    """

    node_features = NodeFeatures(('input', 'output', *_OPERATIONS), (2, 3, 4))

    def __init__(self) -> None:
        self._edges = [(source, target) for target in range(1, _VERTICES)
                       for source in range(target)]
        self._edge_tables = {
            f'cell/edge_{source}_{target}': {0: 0, 1: 1} for source, target in self._edges}
        operations = {name: tag for tag, name in enumerate(_OPERATIONS, 2)}
        self._tables = {
            f'cell/op_{vertex}': operations for vertex in range(1, _VERTICES - 1)}

    def __call__(self, samples: Sequence[Sample]) -> Graphs:
        """Return a graph of 7 nodes for each architecture."""
        count = len(samples)
        samples = [by_edges(sample) for sample in samples]
        sources, targets = torch.tensor(self._edges).unbind(1)
        edges = torch.zeros(count, _VERTICES, _VERTICES)
        edges[:, sources, targets] = choice_indices(samples, self._edge_tables).float()
        ends = torch.zeros(count, 1, dtype=torch.int64)
        tags = torch.cat([ends, choice_indices(samples, self._tables), ends + 1], dim=1)
        mask = on_path(edges, tags >= 0, tags == 0, tags == 1)
        edges = edges * mask[:, :, None] * mask[:, None, :]
        features = one_hot(tags, 2 + len(_OPERATIONS), mask)
        return Graphs(features[:, None], edges[:, None], mask[:, None], torch.zeros(count, 0))
