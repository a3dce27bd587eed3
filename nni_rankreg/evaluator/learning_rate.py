"""Course of a learning rate over a training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pytorch_lightning import Trainer
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, SequentialLR

__all__ = ['LearningRateSchedule']


@dataclass(frozen=True)
class LearningRateSchedule:
    """A rise in a line to the learning rate of the optimiser, then a decay to a minimum.

    Parameters
    ----------
    minimum
        Learning rate at the end of the training.
    decay
        Form of the decay, ``'cosine'`` or ``'linear'``.
    warmup_epochs, warmup_start
        Epochs in which the learning rate rises, and from where.
    per_step
        Whether the learning rate changes in each step; otherwise in each epoch.

    Raises
    ------
    ValueError
        If the decay is unknown.

    Examples
    --------
    >>> LearningRateSchedule(minimum=0., decay='linear', warmup_epochs=5, per_step=True).decay
    'linear'
    """

    minimum: float = 0.001
    decay: str = 'cosine'
    warmup_epochs: int = 0
    warmup_start: float = 0.
    per_step: bool = False

    def __post_init__(self) -> None:
        if self.decay not in ('cosine', 'linear'):
            raise ValueError(f"Expected a decay 'cosine' or 'linear', got {self.decay!r}.")

    def configure(self, optimizer: Optimizer, trainer: Trainer) -> dict[str, Any]:
        """Return the scheduler of an optimiser and its interval, as Lightning takes them.

        Parameters
        ----------
        optimizer
            Its learning rate is the peak.
        trainer
            Of the training; its epochs are counted.

        Raises
        ------
        ValueError
            If the warm-up leaves no epoch.
        """
        epochs, peak = trainer.max_epochs, optimizer.param_groups[0]['lr']
        if epochs is None or self.warmup_epochs >= epochs:
            raise ValueError(f'Expected more epochs than the {self.warmup_epochs} of the warm-up, '
                             f'got max_epochs={epochs}.')
        unit = trainer.estimated_stepping_batches / epochs if self.per_step else 1
        warmup = round(self.warmup_epochs * unit)
        rest = round(epochs * unit) - warmup
        scheduler: LRScheduler = (
            CosineAnnealingLR(optimizer, T_max=rest, eta_min=self.minimum)
            if self.decay == 'cosine' else
            LinearLR(optimizer, 1., self.minimum / peak, total_iters=rest))
        if warmup:
            # torch refuses a factor of exactly 0; the first step of the warm-up has none to do.
            rise = LinearLR(optimizer, max(self.warmup_start / peak, 1e-9), 1., warmup)
            scheduler = SequentialLR(optimizer, [rise, scheduler], [warmup])
        return {'scheduler': scheduler, 'interval': 'step' if self.per_step else 'epoch'}
