"""Running statistics of batch normalisation, computed anew for one architecture."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..host.network.activation import momentum_holder

__all__ = ['calibrate']


@torch.no_grad()
def calibrate(module: nn.Module, batches: Iterable[Any],
              step: Callable[[Any], Any] | None = None) -> None:
    """Set running statistics to the plain average, over batches, of the statistics of each.

    Parameters
    ----------
    module
        Only its batch normalisation is in training mode meanwhile if `module` is in evaluation
        mode.
    batches
        Inputs of the module, or whatever `step` takes.
    step
        Lets the module compute a batch; None calls the module with it.

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
            (step or module)(batch)
    finally:
        for norm, holder, momentum, training in zip(norms, holders, momenta, modes):
            holder['momentum'] = momentum
            norm.train(training)
