"""Running statistics of batch normalisation, computed anew for one architecture."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from weakref import WeakSet

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..data.size import batch_size
from ..host.network.momentum import momentum_holder

__all__ = ['calibrate', 'with_statistics']

_logger = logging.getLogger(__name__)
_told: WeakSet[nn.Module] = WeakSet()  # modules whose user knows that batches are left out


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


def with_statistics(module: nn.Module, batches: Sequence[Any]) -> list[Any]:
    """Return the batches that have statistics of their own, if a module normalises by them.

    One example has no variance over the examples: its batch is left out. A warning tells it once
    for a module.

    Parameters
    ----------
    module
        With batch normalisation or without.
    batches
        Those of one example are those that Lightning counts so.

    Raises
    ------
    ValueError
        If none is left.
    """
    if not any(isinstance(child, _BatchNorm) for child in module.modules()):
        return list(batches)
    kept = [batch for batch in batches if batch_size(batch) != 1]
    if batches and not kept:
        raise ValueError('Expected validation batches of at least two examples, by whose '
                         'statistics batch normalisation scores architectures, got batches of '
                         'one. Use larger ones, or Scoring(calibration_batches=...).')
    if len(kept) < len(batches):
        if module not in _told:
            _logger.warning('Scores leave out %d validation batches of one example, which has no '
                            'statistics for batch normalisation.', len(batches) - len(kept))
        _told.add(module)
    return kept
