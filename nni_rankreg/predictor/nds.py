"""The encoder of NDS: DARTS, ENAS, PNAS, AmoebaNet and NASNet cells."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from nni.mutable import MutableSymbol
from nni.nas.nn.pytorch import Cell, ModelSpace

from ..typing import Sample
from .choice import Column
from .graph import Graphs, NodeFeatures, choice_indices, one_hot

__all__ = ['NDSEncoder']


class NDSEncoder:
    """Two cells, normal and reduction, of NNI's `NDS` spaces, with width and depth beside them.

    The nodes of a cell are its two inputs, each operation, the sum of each pair of operations and
    the output. Where a space concatenates loose ends only, only these lead to the output. Labels
    outside the cells become hyper-parameter features.

    Parameters
    ----------
    space
        `DARTS`, `ENAS`, `PNAS`, `AmoebaNet`, `NASNet` of NNI's hub, or another `NDS` space.

    Raises
    ------
    ValueError
        If the space has no such cells.
    """

    def __init__(self, space: ModelSpace):
        leaves = {label: leaf for label, leaf in space.simplify().items()
                  if isinstance(leaf, MutableSymbol)}
        labels = [re.fullmatch(r'(\w+)/op_(\d+)_(\d+)', label) for label in leaves]
        found = [match for match in labels if match]
        if not found:
            raise ValueError('Expected a space with labels such as normal/op_2_0, got '
                             f'{list(leaves)}.')
        self._cells = sorted({match[1] for match in found})
        self._sums = sorted({int(match[2]) for match in found})
        self._slots = sorted({int(match[3]) for match in found})
        names = dict.fromkeys(choice for match in found for choice in leaves[match[0]].values)
        self._operations = {name: tag for tag, name in enumerate(names)}
        self._loose = any(cell.merge_op == 'loose_end' for cell in space.modules()
                          if isinstance(cell, Cell))
        self._extras = [Column(leaf) for label, leaf in leaves.items()
                        if not re.fullmatch(r'\w+/(op|input)_\d+_\d+', label)]
        # Inputs, sums and output, in the cell's own numbering; then the operations.
        self._inputs, self._output = self._sums[0], self._sums[-1] + 1
        self.node_features = NodeFeatures(
            (*map(str, names), *(f'input {index}' for index in range(self._inputs)), 'sum',
             'output'), tuple(range(len(names))))
        self._nodes = self._output + 1 + len(self._sums) * len(self._slots)

    def __call__(self, samples: Sequence[Sample]) -> Graphs:
        """Return a graph for each cell of each architecture."""
        cells = [self._encode_cell(samples, cell) for cell in self._cells]
        features, edges = (torch.stack(parts, dim=1) for parts in zip(*cells))
        extras = [column.encode(samples) for column in self._extras]
        return Graphs(features, edges, torch.ones(features.shape[:-1], dtype=torch.bool),
                      torch.cat([torch.zeros(len(samples), 0), *extras], dim=1))

    def _encode_cell(self, samples: Sequence[Sample], cell: str
                     ) -> tuple[torch.Tensor, torch.Tensor]:
        places = [(node, slot) for node in self._sums for slot in self._slots]
        tables = {
            f'{cell}/op_{node}_{slot}': self._operations for node, slot in places}
        operations = choice_indices(samples, tables)
        sources = self._sources(samples, [f'{cell}/input_{i}_{j}' for i, j in places])
        tags = torch.empty(len(samples), self._nodes, dtype=torch.int64)
        first = len(self._operations)          # tags of inputs, sum and output follow
        tags[:, :self._output] = first + torch.arange(self._output).clamp(max=self._inputs)
        tags[:, self._output], tags[:, self._output + 1:] = first + self._inputs + 1, operations
        edges = torch.zeros(len(samples), self._nodes, self._nodes)
        rows, loose = torch.arange(len(samples)), torch.ones(len(samples), self._output)
        for place, (node, _) in enumerate(places):
            edges[rows, sources[:, place], self._output + 1 + place] = 1
            edges[:, self._output + 1 + place, node] = 1
            loose[rows, sources[:, place]] = 0
        ends = loose if self._loose else torch.ones_like(loose)
        edges[:, self._inputs:self._output, self._output] = ends[:, self._inputs:]
        everywhere = torch.ones(tags.shape, dtype=torch.bool)
        return one_hot(tags, first + self._inputs + 2, everywhere), edges

    def _sources(self, samples: Sequence[Sample], labels: Sequence[str]) -> torch.Tensor:
        tables = {label: {source: source for source in range(int(label.split('_')[1]))}
                  for label in labels}
        flat = [{label: _single(sample.get(label)) for label in labels} for sample in samples]
        return choice_indices(flat, tables)


def _single(chosen: object) -> object:
    return chosen[0] if isinstance(chosen, (list, tuple)) and len(chosen) == 1 else chosen
