"""Stand-alone networks of an NNI space, with seeded initial weights, in milliseconds."""

from __future__ import annotations

from copy import deepcopy

import torch
from nni.nas.nn.pytorch import LayerChoice, ModelSpace, MutableModule
from nni.nas.space import SimplifiedModelSpace
from torch import nn

from .._util.random import seeded
from ..sampler.choice import ChoiceSpace
from ..typing import Sample

__all__ = ['NetworkFactory']


class NetworkFactory:
    """Build the network that a trial would train for an architecture.

    ``space.freeze(sample)`` takes 0.5 s for NAS-Bench-201, as it copies the whole space (but
    shares the chosen layers with it), and a trial builds all candidates of all choices. If
    `LayerChoice` is all that varies in a space, the space is built once under the seed here, and a
    network is put together from its chosen layers: a layer begins with the same weights in each
    architecture that has it, and two networks must not be changed at the same time. Networks of
    other spaces are built as trials build them, each under the seed.

    Parameters
    ----------
    space
        A model space. It is built anew from its arguments: its weights, and what was done to it
        since it was made, do not count.
    seed
        Of the initial weights.
    device
        Of the networks.

    Raises
    ------
    ValueError
        If `space` is no model space; on calling, if it does not hold the architecture.

    Examples
    --------
    >>> from nni.nas.hub.pytorch import NasBench201
    >>> space = NasBench201(4, 1)
    >>> network = NetworkFactory(space)({label: 'none' for label in space.simplify()})
    >>> sum(parameter.numel() for parameter in network.parameters())
    4894
    """

    def __init__(self, space: ModelSpace, *, seed: int = 0,
                 device: str | torch.device = 'cpu'):
        if not isinstance(space, ModelSpace):
            raise ValueError(f'Expected a model space of NNI, got {type(space).__name__}.')
        self.seed, self.device = seed, torch.device(device)
        with seeded(seed, self.device):
            template: ModelSpace = space.trace_copy().get(traceable=False)
        self._trials = SimplifiedModelSpace.from_model(template)
        self._choices = ChoiceSpace(self._trials.mutables)
        self._varying: set[nn.Module] = set()  # by themselves: a copy has copies of them
        self._template = template if all(map(_is_plain, template.modules())) else None
        if self._template is not None:
            self._find_varying(template.to(self.device))

    def __call__(self, sample: Sample) -> nn.Module:
        """Return the network of an architecture, in training mode as a new one is."""
        sample = self._choices.canonical(sample)
        trial = self._trials.freeze(sample)    # builds nothing
        if self._template is not None:
            return self._choose(self._template, sample, {})
        with seeded(self.seed, self.device):
            return trial.executable_model().to(self.device)

    def _find_varying(self, module: nn.Module) -> bool:
        """Remember which modules have a choice inside."""
        found = [self._find_varying(child) for child in module.children()]
        if any(found) or isinstance(module, LayerChoice):
            self._varying.add(module)
        return module in self._varying

    def _choose(self, module: nn.Module, sample: Sample, memo: dict[int, object]) -> nn.Module:
        """Return a copy of the modules around the choices; all below them is shared."""
        if module not in self._varying:
            return module
        if isinstance(module, LayerChoice):
            return self._choose(module[sample[module.label]], sample, memo)
        for child in module.children():
            memo[id(child)] = self._choose(child, sample, memo)
        for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
            memo[id(tensor)] = tensor
        return deepcopy(module, memo)


def _is_plain(module: nn.Module) -> bool:
    """Return whether NNI freezes a module by replacing the choices inside it, or is one."""
    if type(module) is LayerChoice or not isinstance(module, MutableModule):
        return True
    return type(module).freeze is MutableModule.freeze and not module.mutables
