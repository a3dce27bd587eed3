"""Make a super-net of path sampling compute weighted sums of its choices.

NNI has other super-net modules for this, which own their weights, always execute every choice
and cannot be switched to an exact architecture. Here the modules are those of path sampling;
their ``forward`` is replaced while they are mixed.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from nni.nas.nn.pytorch import ModelSpace
from nni.nas.nn.pytorch.cell import preprocess_cell_inputs
from nni.nas.oneshot.pytorch.supermodule._expression_utils import weighted_sum
from nni.nas.oneshot.pytorch.supermodule.base import BaseSuperNetModule
from nni.nas.oneshot.pytorch.supermodule.sampling import (
    PathSamplingCell,
    PathSamplingInput,
    PathSamplingLayer,
)
from torch import Tensor

from ..._util.forward import ReplacedForward
from ...space.nds.supernet import LooseEndCell
from .activation import own_labels

__all__ = ['Mixer', 'Mixture', 'Weight']

Weight = float | Tensor
Mixture = dict[str, list[tuple[Any, Weight]]]
"""Label -> pairs of a choice and its weight; choices that are left out are not executed."""


class Mixer:
    r"""Replace the chosen path of a super-net by :math:`\sum_k w_k\, o_k(x)`, and back.

    The output of a `LayerChoice` is the sum of its layers, that of an `InputChoice` the sum of
    its inputs, times their weights. In a cell, an operation on an input weighs as much as the
    product of the two weights, and a node that only counts as long as no other node uses it
    weighs :math:`\prod (1 - w)` over all later inputs.

    Parameters
    ----------
    supernet
        A model space that a path-sampling one-shot strategy has mutated.

    Raises
    ------
    ValueError
        If a label decides about something else than layers and single inputs.
    """

    def __init__(self, supernet: ModelSpace):
        self._modules: dict[BaseSuperNetModule, Any] = {}
        self._mixed = ExitStack()
        refused: dict[str, str] = {}
        for module in supernet.modules():
            if isinstance(module, BaseSuperNetModule) and own_labels(module):
                forward = _mixed_forward(module)
                if forward is None:
                    refused.update(dict.fromkeys(own_labels(module), type(module).__name__))
                else:
                    self._modules[module] = forward
        if refused:
            raise ValueError('Expected a space that chooses among layers and single inputs, which '
                             'can be mixed by weights, got other choices: '
                             + ', '.join(f'{label} ({kind})' for label, kind in refused.items())
                             + '. Use SPOS, which takes any space, or fix them.')

    def __call__(self, mixture: Mixture | None) -> None:
        """Compute by these weights from now on; None goes back to the activated path."""
        self._mixed.close()
        if mixture is not None:
            self._mixed.enter_context(ReplacedForward({
                module: partial(forward, module, mixture)
                for module, forward in self._modules.items()}))


def _mixed_forward(module: BaseSuperNetModule) -> Any:
    """Return what takes the place of a module's forward, or None if it cannot be mixed."""
    if isinstance(module, PathSamplingLayer):
        return _mixed_layer
    if isinstance(module, PathSamplingInput) and module.n_chosen == 1:
        return _mixed_input
    return _mixed_cell if isinstance(module, PathSamplingCell) else None


def _mixed_layer(layer: PathSamplingLayer, mixture: Mixture, *args: Any, **kwargs: Any) -> Any:
    choices, weights = zip(*mixture[layer.label])
    return weighted_sum([layer[choice](*args, **kwargs) for choice in choices], weights)


def _mixed_input(module: PathSamplingInput, mixture: Mixture, inputs: Any) -> Any:
    choices, weights = zip(*mixture[module.label])
    return weighted_sum([inputs[index] for index, in choices], weights)


def _mixed_cell(cell: PathSamplingCell, mixture: Mixture, *inputs: Any) -> Any:
    processed = preprocess_cell_inputs(cell.num_predecessors, *inputs)
    states = cell.preprocessor(processed)
    for node, edges in enumerate(cell.ops, start=cell.num_predecessors):
        weights = _edge_weights(cell, mixture, node)
        states.append(weighted_sum([edges[source][name](states[source])
                                    for source, name in weights], list(weights.values())))
    if isinstance(cell, LooseEndCell):
        merged = [states[node] * _loose_weight(cell, mixture, node)
                  for node in cell.output_node_indices]
    else:
        merged = states[cell.num_predecessors:]
    return cell.postprocessor(torch.cat(merged, cell.concat_dim), processed)


def _edge_weights(cell: PathSamplingCell, mixture: Mixture,
                  node: int) -> Mapping[tuple[int, Any], Weight]:
    """Return the weight of each operation on each input; two slots may share one."""
    weights: dict[tuple[int, Any], Weight] = defaultdict(float)
    for slot in range(cell.num_ops_per_node):
        for (source,), input_weight in mixture[f'{cell.label}/input_{node}_{slot}']:
            for name, weight in mixture[f'{cell.label}/op_{node}_{slot}']:
                weights[source, name] += input_weight * weight
    return weights


def _loose_weight(cell: LooseEndCell, mixture: Mixture, node: int) -> Weight:
    """Return the weight with which no later node uses this one."""
    later = [mixture[f'{cell.label}/input_{other}_{slot}'] for other in cell.output_node_indices
             if other > node for slot in range(cell.num_ops_per_node)]
    return math.prod(1 - weight for pairs in later for (source,), weight in pairs
                     if source == node)
