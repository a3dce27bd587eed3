"""Take an architecture out of a super-net together with the weights it has there.

``supernet.freeze(sample)`` of NNI 3.0 does this for some spaces only: mixed operations without a
bias raise an error, and the NDS spaces (DARTS, ENAS, ...) rebuild the network with new weights.
Here the stand-alone network is built as a trial would build it, and the weights are copied module
by module along the correspondence that NNI's mutation made.
"""

from __future__ import annotations

from typing import Any

import torch
from nni.nas.nn.pytorch import ModelSpace
from nni.nas.oneshot.pytorch.supermodule.operation import MixedOperation
from nni.nas.oneshot.pytorch.supermodule.sampling import (
    PathSamplingCell,
    PathSamplingInput,
    PathSamplingLayer,
    PathSamplingRepeat,
)
from nni.nas.space import ModelStatus, RawFormatModelSpace, model_context
from torch import nn

from ..typing import Sample

__all__ = ['inherit_weights', 'instantiate', 'SubnetModelSpace']


class SubnetModelSpace(RawFormatModelSpace):
    """An architecture of a super-net, with its score, as NNI's strategies list their models."""

    @classmethod
    def from_supernet(cls, space: RawFormatModelSpace, supernet: ModelSpace, sample: Sample,
                      score: float) -> SubnetModelSpace:
        """Return the model of `sample`; `space` is what the strategy was initialised with."""
        model = cls(supernet, space.evaluator)
        model.sample, model.metrics.final = sample, score
        model.status = ModelStatus.Trained
        return model

    def executable_model(self) -> nn.Module:
        """Return a new stand-alone network with the weights of the super-net."""
        network = instantiate(self.model_space, self.sample)
        inherit_weights(self.model_space, network, self.sample)
        return network


def instantiate(space: ModelSpace, sample: Sample) -> nn.Module:
    """Return the stand-alone network of an architecture, newly initialised.

    Parameters
    ----------
    space
        The model space, or the super-net that a strategy has made of it.
    sample
        The architecture.
    """
    with model_context(dict(sample)):
        return space.trace_copy().get(traceable=False)


@torch.no_grad()
def inherit_weights(supernet: nn.Module, network: nn.Module, sample: Sample) -> None:
    """Copy parameters and buffers of an architecture from the super-net, in place.

    Parameters
    ----------
    supernet
        A (part of a) model space that a path-sampling one-shot strategy has mutated.
    network
        The same part of the stand-alone network.
    sample
        The architecture.

    Raises
    ------
    ValueError
        If the two do not correspond, for example because a custom mutation hook changed the
        structure.
    """
    if isinstance(supernet, PathSamplingLayer):
        inherit_weights(supernet[sample[supernet.label]], network, sample)
    elif isinstance(supernet, PathSamplingCell):
        _inherit_cell(supernet, network, sample)
    elif isinstance(supernet, PathSamplingRepeat):
        blocks = network.blocks if hasattr(network, 'blocks') else network
        for source, target in zip(supernet.blocks, blocks):
            inherit_weights(source, target, sample)
    elif isinstance(supernet, MixedOperation):
        _inherit_operation(supernet, network, sample)
    elif not isinstance(supernet, PathSamplingInput):
        _inherit_plain(supernet, network, sample)


def _inherit_plain(supernet: nn.Module, network: nn.Module, sample: Sample) -> None:
    tensors = dict(supernet.named_parameters(recurse=False))
    tensors.update(supernet.named_buffers(recurse=False))
    for name, target in [*network.named_parameters(recurse=False),
                         *network.named_buffers(recurse=False)]:
        if name not in tensors or tensors[name].shape != target.shape:
            raise ValueError(f'Expected {name} of {type(network).__name__} to correspond to the '
                             f'super-net, got {type(supernet).__name__} with shapes '
                             f'{ {key: tuple(value.shape) for key, value in tensors.items()} }.')
        target.copy_(tensors[name])
    sources = dict(supernet.named_children())
    for name, child in network.named_children():
        if name not in sources:
            raise ValueError(f'Expected a child {name!r} in {type(supernet).__name__} of the '
                             f'super-net, got {sorted(sources)}.')
        inherit_weights(sources[name], child, sample)


def _inherit_cell(supernet: PathSamplingCell, network: nn.Module, sample: Sample) -> None:
    """Copy a cell: there an operation per (node, input, name), here one per (node, slot)."""
    for name in ('preprocessor', 'postprocessor'):
        if isinstance(getattr(supernet, name), nn.Module):
            inherit_weights(getattr(supernet, name), getattr(network, name), sample)
    for node, (edges, slots) in enumerate(zip(supernet.ops, network.ops),
                                          start=supernet.num_predecessors):
        for slot, operation in enumerate(slots):
            source = sample[f'{supernet.label}/input_{node}_{slot}'][0]
            chosen = sample[f'{supernet.label}/op_{node}_{slot}']
            inherit_weights(edges[source][chosen], operation, sample)


def _inherit_operation(supernet: MixedOperation, network: nn.Module, sample: Sample) -> None:
    """Copy the slice of a mixed operation; what is None in it (a missing bias) is left out."""
    arguments: dict[str, Any] = {**supernet.init_arguments}
    for name, mutable in supernet.mutable_arguments.items():
        arguments[name] = mutable.freeze(sample)
    state = {name: tensor for name, tensor in supernet.freeze_weight(**arguments).items()
             if tensor is not None}
    missing, unexpected = network.load_state_dict(state, strict=False)
    if unexpected or set(missing) - {'num_batches_tracked'}:
        raise ValueError(f'Expected the tensors of {type(network).__name__}, got missing '
                         f'{missing} and unexpected {unexpected} from the super-net.')
