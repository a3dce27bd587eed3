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
from nni.nas.oneshot.pytorch.supermodule.operation import MixedOperation
from nni.nas.oneshot.pytorch.supermodule.sampling import (
    PathSamplingCell,
    PathSamplingInput,
    PathSamplingLayer,
    PathSamplingRepeat,
)
from torch import Tensor

from ..._util.forward import ReplacedForward
from ...space.nds.supernet import LooseEndCell
from ...typing import Sample
from .activation import own_labels
from .operation import WeightedOperation
from .weights import Mixture, Weight, Weights, options_of

__all__ = ['Mixer']


class Mixer:
    r"""Replace the chosen path of a super-net by :math:`\sum_k w_k\, o_k(x)`, and back.

    The output of a `LayerChoice` is the sum of its layers times their weights, that of an
    `InputChoice` the sum of what each selection of inputs gives, that of a `Repeat` the sum over
    its depths; that of an operation with choices in its arguments see `WeightedOperation`. In a
    cell, an operation on an input weighs as much as the product of the two weights, and a node
    that only counts as long as no other node uses it weighs :math:`\prod (1 - w)` over all later
    inputs.

    Parameters
    ----------
    supernet
        A model space that a path-sampling one-shot strategy has mutated.
    paths
        Whether only paths are executed, as in GDAS. Then a choice may also change the size of an
        output, and modules that nothing weighs are what the activated path makes of them.

    Raises
    ------
    ValueError
        If a label decides about what cannot be weighed.
    """

    def __init__(self, supernet: ModelSpace, paths: bool = False):
        self._modules: dict[BaseSuperNetModule, Any] = {}
        self._mixed = ExitStack()
        refused: dict[str, str] = {}
        for module in supernet.modules():
            if isinstance(module, BaseSuperNetModule) and own_labels(module):
                forward = _weighted_forward(module, paths)
                if forward is None:
                    refused.update(dict.fromkeys(own_labels(module), type(module).__name__))
                else:
                    self._modules[module] = forward
        if paths:
            for module in self._modules:
                for label in own_labels(module):
                    refused.pop(label, None)
        if refused:
            named = [f'{label} ({kind})' for label, kind in refused.items()]
            raise ValueError(
                'Expected a space whose choices can be weighed, got others: '
                f'{", ".join(named[:5])}{", ..." if len(named) > 5 else ""}. '
                + ('' if paths else 'Those whose outputs differ in size need GDAS, which executes '
                   'one of them. ') + 'Use SPOS, which takes any space, or fix them.')

    def __call__(self, mixture: Mixture | None, path: Sample | None = None) -> None:
        """Compute by these weights from now on; None goes back to the activated path.

        Parameters
        ----------
        mixture
            The weights.
        path
            The only choice of each label that is executed; None executes all of the mixture.
        """
        self._mixed.close()
        if mixture is not None:
            weights = Weights(mixture, path)
            self._mixed.enter_context(ReplacedForward({
                module: partial(forward, weights) for module, forward in self._modules.items()}))


def _weighted_forward(module: BaseSuperNetModule, paths: bool) -> Any:
    """Return what takes the place of a module's forward, or None if it cannot be weighed."""
    if isinstance(module, MixedOperation):
        operation = WeightedOperation(module)
        return operation if paths or len(operation.output_sizes()) == 1 else None
    if isinstance(module, PathSamplingRepeat):
        return _WeightedRepeat(module)
    for kind, forward in ((PathSamplingLayer, _weighted_layer),
                          (PathSamplingInput, _weighted_input),
                          (PathSamplingCell, _weighted_cell)):
        if isinstance(module, kind):
            return partial(forward, module)
    return None


def _weighted_layer(layer: PathSamplingLayer, weights: Weights, *args: Any, **kwargs: Any) -> Any:
    choices, factors = zip(*weights.executed(layer.label))
    return weighted_sum([layer[choice](*args, **kwargs) for choice in choices], factors)


def _weighted_input(module: PathSamplingInput, weights: Weights, inputs: Any) -> Any:
    choices, factors = zip(*weights.executed(module.label))
    return weighted_sum([module._reduction([inputs[index] for index in choice], choice)
                         for choice in choices], factors)


class _WeightedRepeat:
    """The sum of what comes out at each depth; a path ends at its own.

    There the outputs before it are weighed with it if they have its shape, as they are at hand, and
    greater depths count as its own.
    """

    def __init__(self, repeat: PathSamplingRepeat):
        self.repeat = repeat
        self.depths = options_of([repeat.depth_choice], repeat.depth_choice.freeze)

    def __call__(self, weights: Weights, x: Any) -> Any:
        """Return the weighted sum of the outputs."""
        executed = max(self.depths.executed(weights))
        outputs: dict[int, Any] = {}
        for depth, block in enumerate(self.repeat.blocks[:executed], 1):
            x = outputs[depth] = block(x)
        factors: dict[int, Any] = {}
        for depth, factor in zip(self.depths.values, self.depths.weights(weights, _device(x))):
            reached = min(depth, executed)
            if weights.path is None or _fits(outputs[reached], x):
                factors[reached] = factors.get(reached, 0.) + factor
        return weighted_sum([self._aligned(depth, outputs[depth]) for depth in factors],
                            list(factors.values()))

    def _aligned(self, depth: int, output: Any) -> Any:
        """Return the outputs of two cells in one shape, as NNI's stages of any depth do."""
        transformation = getattr(self.repeat, 'first_cell_transformation', None)
        if depth > 1 or transformation is None:
            return output
        previous, this = output
        return [transformation(previous), this]


def _fits(output: Any, last: Any) -> bool:
    return output is last or (isinstance(output, Tensor) and isinstance(last, Tensor)
                              and output.shape == last.shape)


def _device(output: Any) -> torch.device:
    while not isinstance(output, Tensor):
        output = output[0]
    return output.device


def _weighted_cell(cell: PathSamplingCell, weights: Weights, *inputs: Any) -> Any:
    processed = preprocess_cell_inputs(cell.num_predecessors, *inputs)
    states = cell.preprocessor(processed)
    for node, edges in enumerate(cell.ops, start=cell.num_predecessors):
        factors = _edge_weights(cell, weights, node)
        states.append(weighted_sum([edges[source][name](states[source])
                                    for source, name in factors], list(factors.values())))
    if isinstance(cell, LooseEndCell):
        merged = [states[node] * _loose_weight(cell, weights, node)
                  for node in cell.output_node_indices]
    else:
        merged = states[cell.num_predecessors:]
    return cell.postprocessor(torch.cat(merged, cell.concat_dim), processed)


def _edge_weights(cell: PathSamplingCell, weights: Weights,
                  node: int) -> Mapping[tuple[int, Any], Weight]:
    """Return the weight of each operation on each input; two slots may share one."""
    factors: dict[tuple[int, Any], Weight] = defaultdict(float)
    for slot in range(cell.num_ops_per_node):
        for (source,), input_weight in weights.executed(f'{cell.label}/input_{node}_{slot}'):
            for name, weight in weights.executed(f'{cell.label}/op_{node}_{slot}'):
                factors[source, name] += input_weight * weight
    return factors


def _loose_weight(cell: LooseEndCell, weights: Weights, node: int) -> Weight:
    """Return the weight with which no later node uses this one."""
    later = [weights.executed(f'{cell.label}/input_{other}_{slot}')
             for other in cell.output_node_indices if other > node
             for slot in range(cell.num_ops_per_node)]
    return math.prod(1 - weight for pairs in later for (source,), weight in pairs
                     if source == node)
