"""Networks and layers of a space, ready to be timed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from nni.nas.nn.pytorch import ModelSpace
from torch import Tensor

from ..._util.random import seeded
from ...proxy.network import NetworkFactory
from ...typing import Sample, sample_key
from .backend import BACKENDS, Run, check_example
from .part import Part, find_parts
from .turns import Turn

__all__ = ['Workbench', 'plain_copy']

_KEPT = 2 ** 28  # parameters of networks that are kept for their next turn, 1 GiB


class Workbench:
    """Makes runs of the networks of a space, and of the layers that it chooses among.

    Parameters
    ----------
    space
        An NNI model space.
    example
        Arguments of its networks.
    device
        Where they compute.
    threads
        Of ONNX Runtime.
    backend
        One of `BACKENDS`.
    """

    def __init__(self, space: ModelSpace, example: Sequence[Tensor], device: torch.device,
                 threads: int, backend: str):
        self._space, self._threads, self._backend = space, threads, backend
        self._example = [one.to(device) for one in example]
        self._device = device
        self._networks = NetworkFactory(space, device=device)
        self._runs: dict[str, Run] = {}
        self._checked: set[str] = set()
        self._room = _KEPT

    def network(self, sample: Sample) -> Run:
        """Return what runs the network of an architecture.

        Raises
        ------
        ValueError
            If it does not take the example, or cannot be exported.
        """
        key = sample_key(sample)
        if key in self._runs:
            return self._runs[key]
        network = self._networks(sample).eval()
        if key not in self._checked:
            check_example(network, self._example)
            self._checked.add(key)
        run = BACKENDS[self._backend](network, self._example, self._threads)
        size = sum(parameter.numel() for parameter in network.parameters())
        if size <= self._room:
            self._room -= size
            self._runs[key] = run
        return run

    def networks(self, kind: str, samples: Sequence[Sample]) -> list[Turn]:
        """Return the turns of some networks."""
        return [Turn(kind, sample, partial(self.network, sample)) for sample in samples]

    def parts(self) -> list[Turn]:
        """Return the turns of the layers that are chosen among.

        A runtime that fuses layers has none that take a time of their own.
        """
        if self._backend != 'torch':
            return []
        space = plain_copy(self._space).to(self._device)
        return [Turn('part', part.name, partial(_layer, part))
                for part in find_parts(space, self._example)]


def plain_copy(space: ModelSpace) -> ModelSpace:
    """Return a space that is built anew, with weights of its own."""
    with seeded(0):
        return space.trace_copy().get(traceable=False)


def _layer(part: Part) -> Run:
    def run() -> None:
        with torch.inference_mode():
            part.layer(*part.inputs)
    return run
