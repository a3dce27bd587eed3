"""Batch normalisation by the statistics of the batch at hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

__all__ = ['batch_statistics']


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
