"""Cells and stages of the NDS spaces in a super-net of NNI's path sampling.

NNI's own forms merge all nodes of a cell, also where the space merges loose ends only; they put
an extra layer behind stages of one cell, and fail if a stage has one cell at most and another
number of cells elsewhere is a choice. With those of this module the active path is the network
that a trial of the architecture has.
"""

from __future__ import annotations

from typing import Any

import torch
from nni.mutable import Mutable, MutableExpression, ensure_frozen
from nni.nas.hub.pytorch.nasnet import CellPreprocessor, NDSStage
from nni.nas.nn.pytorch import Cell, MutableModule, ParametrizedModule
from nni.nas.nn.pytorch.cell import preprocess_cell_inputs
from nni.nas.oneshot.pytorch.supermodule.base import BaseSuperNetModule
from nni.nas.oneshot.pytorch.supermodule.sampling import PathSamplingCell, PathSamplingRepeat
from torch import Tensor, nn

from ...typing import Sample

__all__ = ['PathSamplingStage', 'LooseEndCell', 'FirstPreprocessor',
           'PathSamplingFirstPreprocessor', 'Preprocessor', 'keep_fixed', 'mix_depths']


class PathSamplingStage(PathSamplingRepeat):
    """A stage of variable depth: its first cells, and nothing else."""

    @classmethod
    def mutate(cls, module: nn.Module, name: str, memo: dict[str, Any],
               mutate_kwargs: dict[str, Any]) -> PathSamplingStage | None:
        """Return the form of a stage in a super-net; NNI's hook."""
        if isinstance(module, NDSStage) and isinstance(module.depth_choice, MutableExpression):
            return cls(list(module.blocks), module.depth_choice)
        return None


class LooseEndCell(PathSamplingCell):
    """A cell whose output has the nodes that no other node uses; zeros stand for the others.

    Every node keeps its place among the channels, so that the next cells use the same weights
    for it in every architecture, and its zeros contribute nothing.
    """

    @classmethod
    def mutate(cls, module: nn.Module, name: str, memo: dict[str, Any],
               mutate_kwargs: dict[str, Any]) -> LooseEndCell | None:
        """Return the form of a cell of loose ends in a super-net; NNI's hook."""
        if type(module) is Cell and module.merge_op == 'loose_end':
            return super().mutate(module, name, memo, mutate_kwargs)
        return None

    def loose_ends(self, sample: Sample) -> list[int]:
        """Return the nodes that are merged, the two inputs of the cell being 0 and 1."""
        used = {sample[f'{self.label}/input_{node}_{slot}'][0]
                for node in self.output_node_indices for slot in range(self.num_ops_per_node)}
        return [node for node in self.output_node_indices if node not in used]

    def forward(self, *inputs: Any) -> Any:
        """Return the cell's output behind that of the cell before, as NNI's cells do."""
        processed = preprocess_cell_inputs(self.num_predecessors, *inputs)
        states = self.preprocessor(processed)
        for node, edges in enumerate(self.ops, start=self.num_predecessors):
            terms = []
            for slot in range(self.num_ops_per_node):
                source = self._sampled[f'{self.label}/input_{node}_{slot}'][0]
                terms.append(edges[source][self._sampled[f'{self.label}/op_{node}_{slot}']](
                    states[source]))
            states.append(sum(terms))
        loose = self.loose_ends(self._sampled)
        merged = torch.cat([states[node] if node in loose else torch.zeros_like(states[node])
                            for node in self.output_node_indices], self.concat_dim)
        return self.postprocessor(merged, processed)


class Preprocessor(nn.Module):
    """Give the two inputs of a cell its shape, as NNI's `CellPreprocessor`, of given layers."""

    def __init__(self, pre0: nn.Module, pre1: nn.Module):
        super().__init__()
        self.pre0, self.pre1 = pre0, pre1

    def forward(self, cells: list[Tensor]) -> list[Tensor]:
        """Return the two inputs in the shape of the cell."""
        before, previous = cells
        return [self.pre0(before), self.pre1(previous)]


class FirstPreprocessor(MutableModule):
    """Preprocessor of a stage's first cell if the stage before may have one cell only.

    Then the last cell but one is that of an earlier stage, with other channels, and, from the
    second stage on, twice the resolution.

    Parameters
    ----------
    preprocessor
        For a stage before of two cells or more.
    short
        Takes the place of its first layer if the stage before has one cell.
    depth
        Number of cells of the stage before.
    """

    def __init__(self, preprocessor: CellPreprocessor, short: nn.Module, depth: Mutable):
        super().__init__()
        self.pre0, self.pre1, self.short = preprocessor.pre0, preprocessor.pre1, short
        self.depth = self.add_mutable(depth)
        self.single = ensure_frozen(depth) == 1

    def forward(self, cells: list[Tensor]) -> list[Tensor]:
        """Return the two inputs in the shape of the cell."""
        before, previous = cells
        return [(self.short if self.single else self.pre0)(before), self.pre1(previous)]

    def path(self, sample: Sample) -> nn.Module:
        """Return the layer that the last cell but one goes through."""
        return self.short if self.depth.freeze(sample) == 1 else self.pre0


class PathSamplingFirstPreprocessor(FirstPreprocessor, BaseSuperNetModule):
    """The form of `FirstPreprocessor` in a super-net."""

    @classmethod
    def mutate(cls, module: nn.Module, name: str, memo: dict[str, Any],
               mutate_kwargs: dict[str, Any]) -> PathSamplingFirstPreprocessor | None:
        """Return the form of a preprocessor in a super-net; NNI's hook."""
        if type(module) is not FirstPreprocessor:
            return None
        return cls(module, module.short, module.depth)

    def resample(self, memo: Sample) -> Sample:
        """Switch to the depth in `memo`, or to a random one."""
        sample = self.export(memo)
        self.single = self.depth.freeze(sample) == 1
        return sample

    def export(self, memo: Sample) -> Sample:
        """Return the depth in `memo`, or a random one."""
        return {label: memo[label] if label in memo else leaf.random()
                for label, leaf in self.depth.simplify().items()}


def keep_fixed(module: nn.Module, name: str, memo: dict[str, Any],
               mutate_kwargs: dict[str, Any]) -> bool:
    """Leave layers without any choice as they are; NNI's hook, which else makes all slicable."""
    return isinstance(module, ParametrizedModule) and not module.mutables


def mix_depths(module: nn.Module, name: str, memo: dict[str, Any],
               mutate_kwargs: dict[str, Any]) -> bool:
    """Expect outputs of one shape from stages of any depth, as NNI's differentiable ones are."""
    if not isinstance(module, FirstPreprocessor):
        return False
    module.single = False
    return True
