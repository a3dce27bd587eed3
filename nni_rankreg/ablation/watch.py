"""What an ablation sees of a training: scores and seconds of its epochs, and when to stop."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytorch_lightning as pl
from torch import Tensor

from ..metric import kendall_tau
from ..supernet import SuperNetModule
from ..table import TabularBenchmark
from .run import Run, Slice

__all__ = ['Watch']

_logger = logging.getLogger(__name__)

_SILENCE = 30.  # seconds after which the end of an epoch is worth a line
_CHUNK = 20     # architectures that are scored between two looks at the clock
_RECENT = 5     # epochs that tell how long the next one takes
_KEPT = ('scores', 'steps', 'active', 'seconds', 'cpu_seconds', 'scoring')


class Watch(pl.Callback):
    """Scores architectures after each of the last epochs, and ends the training in time.

    What it has seen is part of the checkpoints, so that a training goes on with it.

    Parameters
    ----------
    run
        What is trained.
    truth
        The architectures with their true performance.
    time_slice
        The time that there is.

    Attributes
    ----------
    scores
        Of each of the last epochs.
    steps, active
        Number of steps with a regulariser, and of those whose ranking loss was not zero.
    seconds, cpu_seconds, scoring
        Of each epoch without its scoring, by the clock and of this process, and of each scoring.
    """

    def __init__(self, run: Run, truth: TabularBenchmark, time_slice: Slice):
        self.run, self.truth, self.slice = run, truth, time_slice
        self.scores: list[list[float]] = []
        self.steps, self.active = 0, 0
        self.seconds: list[float] = []
        self.cpu_seconds: list[float] = []
        self.scoring: list[float] = []
        self._losses: list[Tensor] = []
        self._started = self._cpu_started = self._said = 0.

    def on_train_start(self, trainer: pl.Trainer, module: Any) -> None:
        """Do not begin what will not end in time."""
        self._said = time.time()
        self.slice.check(self._next_seconds(trainer))

    def on_train_epoch_start(self, trainer: pl.Trainer, module: Any) -> None:
        """Start the clock."""
        self._started, self._cpu_started = time.time(), time.process_time()
        self._losses = []

    def on_train_batch_start(self, trainer: pl.Trainer, module: Any, *_: Any) -> None:
        """Stop within an epoch that takes longer than was expected."""
        self.slice.check()

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, *_: Any) -> None:
        """Remember the ranking loss; to look at it now would let a GPU wait."""
        if module.ranking_loss is not None:
            self._losses.append(module.ranking_loss)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: Any) -> None:
        """Score the architectures if it is time, and stop if the next epoch would not fit."""
        self.steps += len(self._losses)
        self.active += sum(loss.item() != 0 for loss in self._losses)
        self.seconds.append(time.time() - self._started)
        self.cpu_seconds.append(time.process_time() - self._cpu_started)
        text = f'epoch {len(self.seconds)} of {self.run.epochs}, {self.seconds[-1]:.1f} s'
        scored = self._is_scored(len(self.seconds))
        if scored:
            self.scores.append(self._score(module))
            self.scoring.append(time.time() - self._started - self.seconds[-1])
            text += f', tau {kendall_tau(self.scores[-1], self.truth.metrics):+.3f}'
        trainer.should_stop = self.slice.left <= self._next_seconds(trainer)
        if scored or trainer.should_stop or time.time() - self._said > _SILENCE:
            _logger.info('%s: %s', self.run.title, text)
            self._said = time.time()

    def state_dict(self) -> dict[str, Any]:
        """Return what has been seen, and of what; Lightning calls this."""
        return {'identity': self.run.identity, **{name: getattr(self, name) for name in _KEPT}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what `state_dict` has returned.

        Raises
        ------
        ValueError
            If it is of another training.
        """
        mine, other = self.run.identity, state_dict['identity']
        if mine != other:
            changed = {name: other.get(name) for name in {**mine, **other}
                       if other.get(name) != mine.get(name)}
            raise ValueError(f'Expected a training of {mine} in {self.run.state}, got one with '
                             f'{changed}. Remove it, or give another folder as --out.')
        for name in _KEPT:
            setattr(self, name, state_dict[name])

    def _is_scored(self, epoch: int) -> bool:
        """Return whether an epoch, counted from 1, is one of the last."""
        return epoch > self.run.epochs - self.run.setting['averaged']

    def _next_seconds(self, trainer: pl.Trainer) -> float:
        """Return how long the next epoch takes, by the recent ones, with its scoring."""
        if not self.seconds:
            return 0.
        seconds = max(self.seconds[-_RECENT:])
        if self._is_scored(len(self.seconds) + 1):
            setting = self.run.setting
            step = min(self.seconds) / trainer.num_training_batches  # longer than a pass of scoring
            passes = len(self.truth) * -(-setting['validation_images'] // setting['batch_size'])
            seconds += max(self.scoring, default=step * passes)
        return seconds

    def _score(self, module: SuperNetModule) -> list[float]:
        scorer, scores = module.probe.scorer(module), []
        for begin in range(0, len(self.truth), _CHUNK):
            self.slice.check()
            scores += scorer(self.truth.samples[begin:begin + _CHUNK]).tolist()
        return scores
