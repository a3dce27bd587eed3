"""Take an architecture out of a super-net together with the weights it has there.

``supernet.freeze(sample)`` of NNI 3.0 does this for some spaces only: mixed operations without a
bias raise an error, and the NDS spaces (DARTS, ENAS, ...) rebuild the network with new weights.
A trial's network is no substitute to copy the weights into: in `ProxylessNAS` it has another
epsilon of batch normalisation than the super-net, in `MobileNetV3Space` and in NDS spaces of
variable depth other layers. So the active path itself is copied.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from itertools import chain, islice
from typing import Any

import torch
from nni.nas.hub.pytorch.nasnet import NDS
from nni.nas.nn.pytorch import ModelSpace, Repeat
from nni.nas.nn.pytorch.cell import preprocess_cell_inputs
from nni.nas.nn.pytorch.choice import ChosenInputs
from nni.nas.oneshot.pytorch.supermodule.base import BaseSuperNetModule
from nni.nas.oneshot.pytorch.supermodule.operation import MixedOperation
from nni.nas.oneshot.pytorch.supermodule.sampling import (
    PathSamplingCell,
    PathSamplingInput,
    PathSamplingLayer,
)
from nni.nas.space import ModelStatus, RawFormatModelSpace
from torch import Tensor, nn

from ...space.nds.supernet import FirstPreprocessor, LooseEndCell, Preprocessor
from ...typing import Sample

__all__ = ['extract', 'SubnetModelSpace']


class SubnetModelSpace(RawFormatModelSpace):
    """An architecture of a super-net, with its score, as NNI's strategies list their models.

    Attributes
    ----------
    objectives
        ``score``, and the costs if the search had any, by name.
    """

    objectives: Mapping[str, float]

    @classmethod
    def from_supernet(cls, space: RawFormatModelSpace, supernet: ModelSpace, sample: Sample,
                      objectives: Mapping[str, float]) -> SubnetModelSpace:
        """Return the model of `sample`; `space` is what the strategy was initialised with."""
        model = cls(supernet, space.evaluator)
        model.sample, model.metrics.final = sample, objectives['score']
        model.objectives = objectives
        model.status = ModelStatus.Trained
        return model

    def executable_model(self) -> nn.Module:
        """Return a new stand-alone network, on the CPU, with the weights of the super-net."""
        return extract(self.model_space, self.sample).cpu()


def extract(supernet: nn.Module, sample: Sample, memo: dict[int, Any] | None = None) -> nn.Module:
    """Return a copy of the path of an architecture; its output is that of the super-net.

    Parameters and buffers have the names that they have in the network of a trial, unless that
    has another structure: without the layers of `nn.Identity` in `MobileNetV3Space`, and around
    stages of a single cell in the NDS spaces if their depth is a choice.

    Parameters
    ----------
    supernet
        A (part of a) model space that a path-sampling one-shot strategy has mutated.
    sample
        The architecture.
    memo
        As of `copy.deepcopy`, so that modules and parameters that are shared stay so.
    """
    memo = {} if memo is None else memo
    if isinstance(supernet, PathSamplingLayer):
        return extract(supernet[sample[supernet.label]], sample, memo)
    if isinstance(supernet, PathSamplingInput):
        return ChosenInputs(sample[supernet.label], reduction=supernet.reduction)
    if isinstance(supernet, PathSamplingCell):
        return _Cell(supernet, sample, memo)
    if isinstance(supernet, Repeat):
        return _extract_repeat(supernet, sample, memo)
    if isinstance(supernet, MixedOperation):
        return _extract_operation(supernet, sample)
    if isinstance(supernet, FirstPreprocessor):
        return Preprocessor(*(extract(layer, sample, memo) for layer in (
            supernet.path(sample), supernet.pre1))).train(supernet.training)
    if isinstance(supernet, BaseSuperNetModule):  # knows how, such as that of a user's hook
        return supernet.freeze(sample)
    for child in supernet.children():
        memo[id(child)] = memo.get(id(child)) or extract(child, sample, memo)
    network = deepcopy(supernet, memo)
    if isinstance(supernet, NDS):
        _keep_loose_ends(network)
    return network


def _extract_repeat(supernet: Repeat, sample: Sample, memo: dict[int, Any]) -> nn.Module:
    depth = supernet.depth_choice
    depth = depth if isinstance(depth, int) else depth.freeze(sample)
    blocks = [extract(block, sample, memo) for block in supernet.blocks[:depth]]
    # Stages of the NDS spaces: cells of one shape follow, whatever the depth.
    alignment = getattr(supernet, 'first_cell_transformation', None)
    if depth == 1 and alignment is not None:
        blocks.append(_Aligned(extract(alignment, sample, memo)))
    return nn.Sequential(*blocks)


def _extract_operation(supernet: MixedOperation, sample: Sample) -> nn.Module:
    """Return a mixed operation with its slice; what is None in it (a missing bias) is left out."""
    arguments: dict[str, Any] = {**supernet.init_arguments}
    for name, mutable in supernet.mutable_arguments.items():
        arguments[name] = mutable.freeze(sample)
    operation = supernet.bound_type(**arguments)
    for tensor in islice(chain(supernet.parameters(), supernet.buffers()), 1):
        operation.to(tensor)
    operation.load_state_dict({
        name: tensor for name, tensor in supernet.freeze_weight(**arguments).items()
        if tensor is not None})
    return operation.train(supernet.training)


class _Cell(nn.Module):
    """A cell of fixed operations and inputs; it merges the nodes that count in the super-net."""

    def __init__(self, supernet: PathSamplingCell, sample: Sample, memo: dict[int, Any]):
        super().__init__()
        self.num_predecessors, self.concat_dim = supernet.num_predecessors, supernet.concat_dim
        self.preprocessor, self.postprocessor = (
            extract(part, sample, memo) if isinstance(part, nn.Module) else part
            for part in (supernet.preprocessor, supernet.postprocessor))
        self.nodes = supernet.output_node_indices
        self.merged = (supernet.loose_ends(sample) if isinstance(supernet, LooseEndCell)
                       else self.nodes)
        self.ops: Any = nn.ModuleList()
        self.sources: list[list[int]] = []
        for node, edges in enumerate(supernet.ops, start=self.num_predecessors):
            slots = range(supernet.num_ops_per_node)
            sources = [sample[f'{supernet.label}/input_{node}_{slot}'][0] for slot in slots]
            chosen = [sample[f'{supernet.label}/op_{node}_{slot}'] for slot in slots]
            # No memo: two slots that share an operation in the super-net are independent here.
            self.ops.append(nn.ModuleList(extract(edges[source][name], sample)
                                          for source, name in zip(sources, chosen)))
            self.sources.append(sources)
        self.train(supernet.training)

    def forward(self, *inputs: Any) -> Any:
        """Return what the cell of the super-net does with this path."""
        processed = preprocess_cell_inputs(self.num_predecessors, *inputs)
        states = self.preprocessor(processed)
        for operations, sources in zip(self.ops, self.sources):
            states.append(sum(operation(states[source])
                              for operation, source in zip(operations, sources)))
        return self.postprocessor(
            torch.cat([states[node] for node in self.merged], self.concat_dim), processed)


class _Aligned(nn.Module):
    """Give the first of two outputs the shape of the second, as NNI's `NDSStagePathSampling`."""

    def __init__(self, transformation: nn.Module):
        super().__init__()
        self.transformation = transformation

    def forward(self, outputs: tuple[Tensor, Tensor]) -> list[Tensor]:
        previous, this = outputs
        return [self.transformation(previous), this]


def _keep_loose_ends(network: Any) -> None:
    """Take out the weights for nodes that cells do not merge, which are zero in a super-net."""
    cells = [cell for stage in network.stages for cell in stage if isinstance(cell, _Cell)]
    before: list[_Cell | None] = [None, None, *cells]  # the first two inputs are the stem's
    for older, newer, cell in zip(before, before[1:], cells):
        for source, name in ((older, 'pre0'), (newer, 'pre1')):
            for layer in getattr(cell.preprocessor, name).modules():
                if isinstance(layer, nn.Conv2d):
                    layer.in_channels = _keep_inputs(layer, source)
    network.classifier.in_features = _keep_inputs(network.classifier, before[-1])


def _keep_inputs(layer: Any, source: _Cell | None) -> int:
    """Reduce a layer to the nodes that its source merges; return the number of its inputs."""
    if source is not None and source.merged != source.nodes:
        nodes = layer.weight.unflatten(1, (len(source.nodes), -1))
        kept = [source.nodes.index(node) for node in source.merged]
        layer.weight = nn.Parameter(nodes[:, kept].flatten(1, 2).detach().clone())
    return layer.weight.size(1)
