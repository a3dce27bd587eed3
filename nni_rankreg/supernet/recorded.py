"""Passes of known architectures, recorded as CUDA graphs and replayed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor, nn

from ..typing import Sample, sample_key

__all__ = ['RecordedLosses']

_DEVICE = 'cuda'
_Layout = list[tuple[torch.Size, torch.dtype, str]]


class RecordedLosses:
    """Losses of a few architectures on a GPU, for the time of the GPU alone.

    A small network keeps a GPU waiting for Python, which starts its kernels one by one. The forward
    and the backward pass of an architecture are recorded as CUDA graphs when its loss is first
    asked for; from then on they are replayed. Each architecture keeps the memory of its pass.

    Parameters
    ----------
    loss
        Computes the loss of the active architecture on a batch.
    module
        Has the parameters and the buffers that it uses; the parameters must stay where they are.
    samples
        The architectures.

    .. note:: What is drawn in Python during the pass is drawn once, when it is recorded. Batches of
       another shape than the first, on another device than a GPU, and a second pass of an
       architecture before the backward pass of the first are computed as ever.

    .. note:: `torch.cuda.make_graphed_callables`, which records, is a beta of PyTorch.
    """

    def __init__(self, loss: Callable[[Any], Tensor], module: nn.Module,
                 samples: Iterable[Sample]):
        self._loss, self._module = loss, module
        self._known = {sample_key(sample) for sample in samples}
        self._layout: _Layout = []
        self._passes: dict[str, nn.Module] = {}
        self._pending: set[str] = set()  # those whose backward pass is to come

    def begin_step(self) -> None:
        """Take note that all backward passes are done."""
        self._pending.clear()

    def __call__(self, sample: Sample, batch: Any) -> Tensor:
        """Return the loss of an architecture, which is active, on a batch, a scalar.

        Raises
        ------
        RuntimeError
            If the pass cannot be recorded.
        """
        key = sample_key(sample)
        if key not in self._known or key in self._pending or not self._fits(batch):
            return self._loss(batch)
        if key not in self._passes:
            self._passes[key] = self._record(batch)
        self._pending.add(key)
        return self._passes[key](batch)

    def _fits(self, batch: Any) -> bool:
        """Return whether a batch is like the first one on a GPU."""
        layout = _layout(batch)
        if not self._layout and {device for *_, device in layout} == {_DEVICE}:
            self._layout = layout
        return bool(layout) and layout == self._layout

    def _record(self, batch: Any) -> nn.Module:
        """Return the pass of the active architecture; each batch is copied to where this one is."""
        own = apply_to_collection(batch, Tensor, torch.clone)
        # The casts of a recorded pass are its own: those in the cache are of this step's weights.
        with _unchanged(self._module.buffers()), torch.autocast(
                _DEVICE, torch.get_autocast_dtype(_DEVICE), torch.is_autocast_enabled(_DEVICE),
                cache_enabled=False):
            recorded = _Pass(self._loss, self._used_parameters(batch))
            try:
                torch.cuda.make_graphed_callables(recorded, (own,))  # in place
            except (AssertionError, RuntimeError) as error:
                raise RuntimeError('Expected a training step that CUDA can record, got: '
                                   f'{error} Train with cuda_graphs=False.') from error
        return recorded

    def _used_parameters(self, batch: Any) -> list[nn.Parameter]:
        """Return the parameters that the loss of the active architecture depends on."""
        trained = [one for one in self._module.parameters() if one.requires_grad]
        gradients = torch.autograd.grad(self._loss(batch), trained, allow_unused=True)
        return [one for one, gradient in zip(trained, gradients) if gradient is not None]


class _Pass(nn.Module):
    """A loss as a module that has no other parameters than those that the pass uses."""

    def __init__(self, loss: Callable[[Any], Tensor], used: Sequence[nn.Parameter]):
        super().__init__()
        self.loss, self.used = loss, nn.ParameterList(used)

    def forward(self, batch: Any) -> Tensor:
        return self.loss(batch)


def _layout(batch: Any) -> _Layout:
    """Return shape, type and device of each tensor of a batch."""
    layout: _Layout = []
    apply_to_collection(batch, Tensor, lambda one: layout.append(
        (one.shape, one.dtype, one.device.type)))
    return layout


@contextmanager
def _unchanged(buffers: Iterable[Tensor]) -> Iterator[None]:
    """Undo what passes do to buffers, such as running statistics: they do not count."""
    before = [(buffer, buffer.clone()) for buffer in buffers]
    yield
    for buffer, value in before:
        buffer.data.copy_(value)  # `data` hides it from the pass of the step itself
