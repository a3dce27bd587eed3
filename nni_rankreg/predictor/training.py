"""The training loop of a predictor."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from .._util.finite import LossWatch

__all__ = ['Training', 'split_rows', 'train']


@dataclass(frozen=True)
class Training:
    """How a predictor is trained: Adam, cosine decay of the learning rate to 0 in each step.

    Parameters
    ----------
    epochs
        Passes over the data.
    batch_size
        Architectures of a batch; for a ranking loss, of a list.
    lists
        Batches of a step of the optimiser.
    learning_rate, weight_decay
        Of Adam.
    validation
        Share of the architectures that is held out to choose the best epoch; 0 holds out none and
        takes the last epoch.
    patience
        Epochs without a better validation loss that end the training.

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    epochs: int = 300
    batch_size: int = 20
    lists: int = 1
    learning_rate: float = 0.005
    weight_decay: float = 5e-4
    validation: float = 0.
    patience: int = 50

    def __post_init__(self) -> None:
        for name in ('epochs', 'batch_size', 'lists', 'patience'):
            if getattr(self, name) < 1:
                raise ValueError(f'Expected {name} of at least 1, got {getattr(self, name)}.')
        for name in ('learning_rate', 'weight_decay'):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f'Expected {name} to be finite and >= 0, got '
                                 f'{getattr(self, name)}.')
        if not 0 <= self.validation < 1:
            raise ValueError(f'Expected a validation share in [0, 1), got {self.validation}.')


def split_rows(count: int, share: float) -> tuple[Tensor, Tensor]:
    """Return the rows to train on and a random `share` of them, at least 2, to validate on."""
    order = torch.randperm(count)
    held = max(2, round(share * count)) if share else 0
    if count - held < 2:
        raise ValueError(f'Expected at least {held + 2} architectures to train and validate on, '
                         f'got {count}.')
    return order[held:], order[:held]


def train(module: nn.Module, loss: Callable[[Tensor, Tensor], Tensor], count: int,
          setting: Training, *, title: str, progress: bool) -> None:
    """Train a module in place.

    Parameters
    ----------
    module
        What is trained and put into the modes of training and evaluation.
    loss
        From rows, shape (L, N), and which of them are no padding, the same shape, to a scalar.
    count
        Number of rows to draw from.
    setting
        Of the training.
    title
        Of the progress bar.
    progress
        Whether to show the progress bar.

    Raises
    ------
    DivergedError
        If a loss, or a weight in the end, is not finite.
    """
    rows, held = split_rows(count, setting.validation)
    groups = setting.batch_size * setting.lists
    steps = setting.epochs * math.ceil(len(rows) / groups)
    optimizer = torch.optim.Adam(module.parameters(), lr=setting.learning_rate,
                                 weight_decay=setting.weight_decay, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    watch = LossWatch('Give its Training a lower learning_rate.')
    best, best_epoch, best_state = math.inf, 0, None
    bar = tqdm(range(setting.epochs), title, disable=not progress, leave=False)
    for epoch in bar:
        module.train()
        for chunk in rows[torch.randperm(len(rows))].split(groups):
            value = watch.seen(loss(*_as_lists(chunk, setting.batch_size)))
            watch.check(f'in epoch {epoch + 1} of the predictor')
            _step(value, optimizer, schedule)
        if len(held):
            current = _validate(module, loss, held, setting.batch_size)
            bar.set_postfix(validation=f'{current:.4f}', refresh=False)
            if current < best:
                best, best_epoch, best_state = current, epoch, copy.deepcopy(module.state_dict())
            elif epoch - best_epoch >= setting.patience:
                break
    if best_state is not None:
        module.load_state_dict(best_state)
    watch.check('of the predictor', module.named_parameters())
    module.eval()


def _step(value: Tensor, optimizer: torch.optim.Optimizer,
          schedule: torch.optim.lr_scheduler.LRScheduler) -> None:
    optimizer.zero_grad()
    value.backward()
    optimizer.step()
    schedule.step()


@torch.no_grad()
def _validate(module: nn.Module, loss: Callable[[Tensor, Tensor], Tensor], held: Tensor,
              batch_size: int) -> float:
    module.eval()
    return float(loss(*_as_lists(held, max(batch_size, len(held)))))


def _as_lists(rows: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return rows as lists of `size`, padded with row 0, and which are no padding."""
    lists = math.ceil(len(rows) / size)
    size = min(size, len(rows))
    padded = torch.zeros(lists * size, dtype=rows.dtype)
    padded[:len(rows)] = rows
    return padded.view(lists, size), (torch.arange(lists * size) < len(rows)).view(lists, size)
