"""Ready evaluators: stand-alone training with the recipe of the one-shot literature."""

from __future__ import annotations

from typing import Any

import nni
import pytorch_lightning as pl
import torch
from nni.nas.evaluator.pytorch import ClassificationModule, Lightning, Trainer
from nni.nas.space import ExecutableModelSpace
from torch import Tensor

__all__ = ['Classification', 'SGDClassificationModule']


@nni.trace
class SGDClassificationModule(ClassificationModule):
    """NNI's classification module, trained by SGD with momentum and a cosine learning rate.

    Parameters
    ----------
    num_classes
        Number of classes.
    learning_rate, minimum_learning_rate
        Of the first step and of the last, annealed by a cosine per epoch.
    weight_decay, momentum
        Of the optimiser.
    """

    def __init__(self, num_classes: int, *, learning_rate: float = 0.025,
                 minimum_learning_rate: float = 0.001, weight_decay: float = 5e-4,
                 momentum: float = 0.9):
        super().__init__(learning_rate=learning_rate, weight_decay=weight_decay,
                         optimizer=torch.optim.SGD, num_classes=num_classes)
        self.minimum_learning_rate, self.momentum = minimum_learning_rate, momentum

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Return the loss of a batch; the accuracy is measured in validation only."""
        images, labels = batch
        loss = self.criterion(self(images), labels)
        self.log('train_loss', loss.detach(), prog_bar=True)
        return loss

    def configure_optimizers(self) -> Any:
        """Return SGD and its cosine schedule over the trainer's epochs."""
        optimizer = torch.optim.SGD(
            self.parameters(), lr=self.hparams.learning_rate, momentum=self.momentum,
            weight_decay=self.hparams.weight_decay)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            optimizer, T_max=self.trainer.max_epochs, eta_min=self.minimum_learning_rate)
        return [optimizer], [schedule]


@nni.trace
class Classification(Lightning):
    """Stand-alone classification: SGD, momentum, cosine learning rate, gradient clipping, seed.

    The recipe of the super-nets and the stand-alone trainings of Yu et al., CVPR 2021 (see
    `SGDClassificationModule`). Differs from `nni.nas.evaluator.pytorch.Classification` in the
    optimiser, in that a seed makes a trial repeatable, and in that it writes no log directory.

    Parameters
    ----------
    train_dataloaders, val_dataloaders
        As of NNI's `Lightning`.
    num_classes
        Number of classes.
    seed
        Seeds the weights and the order of the data; None leaves the generators alone.
    learning_rate, minimum_learning_rate, weight_decay, momentum
        See `SGDClassificationModule`.
    **trainer_kwargs
        Passed to the Lightning trainer, for example ``max_epochs=30``.

    Examples
    --------
    >>> from nni_rankreg.data import Digits, image_loader
    >>> evaluator = Classification(image_loader(Digits('train'), 64, shuffle=True),
    ...                            image_loader(Digits('validation'), 300), num_classes=10,
    ...                            max_epochs=1, enable_progress_bar=False)
    >>> evaluator.trainer.max_epochs
    1
    """

    def __init__(self, train_dataloaders: Any, val_dataloaders: Any, *, num_classes: int,
                 seed: int | None = 0, learning_rate: float = 0.025,
                 minimum_learning_rate: float = 0.001, weight_decay: float = 5e-4,
                 momentum: float = 0.9, **trainer_kwargs: Any):
        module = SGDClassificationModule(
            num_classes, learning_rate=learning_rate, weight_decay=weight_decay,
            minimum_learning_rate=minimum_learning_rate, momentum=momentum)
        defaults = dict(gradient_clip_val=5., logger=False, enable_checkpointing=False,
                        enable_model_summary=False, num_sanity_val_steps=0)
        super().__init__(module, Trainer(**{**defaults, **trainer_kwargs}),
                         train_dataloaders=train_dataloaders, val_dataloaders=val_dataloaders)
        self.seed = seed

    def _execute(self, model: ExecutableModelSpace) -> Any:
        """Seed before NNI builds the model, so that its weights are seeded as well."""
        if self.seed is not None:
            pl.seed_everything(self.seed, workers=True, verbose=False)
        return super()._execute(model)
