"""The problem of the shipped table: a space of cells, their training on digits, their truth."""

from __future__ import annotations

from typing import Any

import nni
from nni.nas.space import SimplifiedModelSpace

from ..data import Digits, image_loader
from ..space import NasBench201
from ..table import TabularBenchmark, digits
from ..typing import Sample
from .classification import Classification
from .learning_rate import LearningRateSchedule

__all__ = ['digits_space', 'digits_evaluator', 'digits_accuracy', 'digits_truth']


def digits_space() -> NasBench201:
    """Return NAS-Bench-201's cell space (15,625 architectures), scaled down to 8x8 digits."""
    return NasBench201(stem_out_channels=12, num_modules_per_stack=3, num_labels=10)


def digits_evaluator(*, seed: int = 0, epochs: int = 5, learning_rate: float = 0.002,
                     validation_batch: int = 300, **trainer_kwargs: Any) -> Classification:
    """Return the training on digits; its defaults are those of the shipped table.

    Parameters
    ----------
    seed
        Of the weights and the order of the images.
    epochs, learning_rate
        Short and small on purpose: after longer training nearly all architectures read the digits
        equally well, and their ranking would be noise.
    validation_batch
        Images of a validation batch.
    **trainer_kwargs
        Passed to the Lightning trainer.
    """
    defaults = dict(accelerator='cpu', enable_progress_bar=False)
    return Classification(
        image_loader(Digits('train'), 64, shuffle=True),
        image_loader(Digits('validation'), validation_batch),
        num_classes=10, seed=seed, learning_rate=learning_rate,
        schedule=LearningRateSchedule(minimum=0.), max_epochs=epochs,
        **{**defaults, **trainer_kwargs})


def digits_accuracy(sample: Sample, seed: int = 0) -> float:
    """Train an architecture stand-alone, as in a trial, and return its validation accuracy.

    Parameters
    ----------
    sample
        The architecture.
    seed
        Of the weights and the order of the images.
    """
    evaluator = digits_evaluator(seed=seed)
    # NNI's simplified format builds the network after the evaluator has seeded, as in a trial.
    SimplifiedModelSpace.from_model(digits_space(), evaluator).freeze(sample).execute()
    return evaluator.trainer.callback_metrics['val_acc'].item()


class _Truth(TabularBenchmark):
    """A class of its own: NNI changes the class of what a traced function returns, for good."""


@nni.trace
def digits_truth() -> TabularBenchmark:
    """Return the shipped table, on whose 300 architectures the demo measures rankings."""
    table = digits()
    return _Truth(table.samples, table.values, table.name)
