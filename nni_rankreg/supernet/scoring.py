"""How architectures are scored with the weights of a super-net."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

import nni
import pytorch_lightning as pl

from .path import PathModule
from .scorer import SuperNetScorer

__all__ = ['Scoring']


@nni.trace
class Scoring:
    """How architectures are scored with the weights of a super-net, in validation and after it.

    Parameters
    ----------
    batches
        Validation batches that an architecture is scored on; None takes all. They are kept in
        memory.
    processes
        Processes of one thread each that score architectures, on the CPU of Linux. It is 1
        elsewhere and in a distributed training.
    calibration_batches
        Training batches from which the statistics of batch normalisation are computed for each
        scored architecture; 0 uses the statistics of each validation batch.
    measured
        Largest number of architectures that the ranking is measured on after an epoch: of more
        that are known, so many random ones, the same each time.

    Raises
    ------
    ValueError
        If fewer than two architectures are to be measured on.

    Examples
    --------
    >>> Scoring(batches=4, processes=2).processes
    2
    """

    def __init__(self, *, batches: int | None = None, processes: int = 1,
                 calibration_batches: int = 0, measured: int = 1000):
        if measured < 2:
            raise ValueError(f'Expected measured of at least 2 architectures, got {measured}.')
        self.batches, self.processes = batches, processes
        self.calibration_batches, self.measured = calibration_batches, measured

    def scorer(self, module: PathModule, metric: str | None = None, mode: str = 'max', *,
               progress: bool = False) -> SuperNetScorer:
        """Return a super-net as a `Scorer`, on the device that it is trained on.

        Parameters
        ----------
        module
            In training, or trained.
        metric
            Score of an architecture: None for minus the validation loss, or the name of a metric
            that the evaluator logs in validation, for example ``val_acc``.
        mode
            ``'min'`` if the metric is better the lower it is: scores have its sign changed.
        progress
            Whether to show a progress bar.
        """
        loaders, trainer = module.loaders, module.trainer
        if loaders.validation is None:  # Lightning has not asked the data module for it
            trainer.datamodule.val_dataloader()
        with _validating(trainer):
            return SuperNetScorer(
                module, islice(loaders.validation, self.batches), metric=metric, mode=mode,
                calibration=islice(loaders.training, self.calibration_batches), progress=progress,
                processes=self.processes if trainer.world_size == 1 else 1)


@contextmanager
def _validating(trainer: pl.Trainer) -> Iterator[None]:
    """Tell hooks that batches are for validation, also after the training."""
    stage = trainer.state.stage
    trainer.validating = True
    try:
        yield
    finally:
        trainer.state.stage = stage
