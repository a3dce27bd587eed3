"""The demonstration: what is searched, and how its architectures are trained stand-alone.

One place for the setting that the demo's trials and the shipped table of true results share.
"""

from __future__ import annotations

from typing import Any

from .data import Digits, image_loader
from .evaluator import Classification
from .space import NasBench201

__all__ = ['digits_space', 'digits_evaluator']

STANDALONE_EPOCHS = 5


def digits_space() -> NasBench201:
    """Return NAS-Bench-201's cell space (15,625 architectures), scaled down to 8x8 digits."""
    return NasBench201(stem_out_channels=12, num_modules_per_stack=3, num_labels=10)


def digits_evaluator(*, seed: int = 0, epochs: int = STANDALONE_EPOCHS,
                     learning_rate: float = 0.002, **trainer_kwargs: Any) -> Classification:
    """Return the training on digits; its defaults are those of the shipped table.

    Parameters
    ----------
    seed
        Of the weights and the order of the images.
    epochs, learning_rate
        Short and small on purpose: after longer training nearly all architectures read the digits
        equally well, and a ranking would be noise.
    **trainer_kwargs
        Passed to the Lightning trainer.
    """
    defaults = dict(accelerator='cpu', enable_progress_bar=False)
    return Classification(
        image_loader(Digits('train'), 64, shuffle=True), image_loader(Digits('validation'), 300),
        num_classes=10, seed=seed, learning_rate=learning_rate, minimum_learning_rate=0.,
        max_epochs=epochs, **{**defaults, **trainer_kwargs})
