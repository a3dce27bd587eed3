"""Batch normalisation of a super-net: statistics of the batch at hand, or re-calibrated ones."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..host.activation import momentum_holder

__all__ = ['batch_statistics', 'calibrate']


@contextmanager
def batch_statistics(module: nn.Module) -> Iterator[None]:
    """Evaluate `module` with the statistics of each batch; running statistics stay as they are.

    A super-net's running statistics mix those of all architectures, so that they fit none.
    Everything but batch normalisation (dropout, for example) is in evaluation mode.

    Parameters
    ----------
    module
        Any module; training modes are restored on exit.

    Examples
    --------
    >>> import torch
    >>> norm = nn.BatchNorm1d(1).eval()
    >>> with batch_statistics(norm):
    ...     print(norm(torch.tensor([[1.], [3.]])).flatten().round(decimals=3).tolist())
    [-1.0, 1.0]
    >>> norm.running_mean, norm.training
    (tensor([0.]), False)
    """
    modes = [(child, child.training) for child in module.modules()]
    norms = [child for child, _ in modes if isinstance(child, _BatchNorm)]
    tracking = [norm.track_running_stats for norm in norms]
    module.eval()
    try:
        for norm in norms:
            # In training mode without tracking, torch passes no running statistics at all.
            norm.training, norm.track_running_stats = True, False
        yield
    finally:
        for norm, track in zip(norms, tracking):
            norm.track_running_stats = track
        for child, training in modes:
            child.training = training


@torch.no_grad()
def calibrate(module: nn.Module, batches: Iterable[Tensor]) -> None:
    """Set running statistics to the plain average, over batches, of the statistics of each.

    Parameters
    ----------
    module
        Called with each batch. Only its batch normalisation is in training mode meanwhile if
        `module` is in evaluation mode.
    batches
        Inputs of the module.

    Examples
    --------
    >>> norm = nn.BatchNorm1d(1).eval()
    >>> calibrate(norm, [torch.tensor([[1.], [3.]]), torch.tensor([[5.], [5.]])])
    >>> norm.running_mean, norm.running_var, norm.momentum, norm.training
    (tensor([3.5000]), tensor([1.]), 0.1, False)
    """
    norms = [child for child in module.modules() if isinstance(child, _BatchNorm)]
    modes = [norm.training for norm in norms]
    holders = [momentum_holder(norm) for norm in norms]
    momenta = [holder['momentum'] for holder in holders]
    try:
        for norm in norms:
            norm.train()
        for count, batch in enumerate(batches, start=1):
            for holder in holders:
                holder['momentum'] = 1 / count  # the running value becomes the plain average
            module(batch)
    finally:
        for norm, holder, momentum, training in zip(norms, holders, momenta, modes):
            holder['momentum'] = momentum
            norm.train(training)
