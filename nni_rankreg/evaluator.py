"""Ready evaluators: stand-alone training with the recipes of the one-shot literature."""

from __future__ import annotations

import math
from typing import Any

import nni
import pytorch_lightning as pl
import torch
from nni.nas.evaluator.pytorch import (
    ClassificationModule,
    Lightning,
    LightningModule,
    SupervisedLearningModule,
    Trainer,
)
from nni.nas.space import ExecutableModelSpace
from torch import Tensor

from .loss_depth import ScaleShiftInvariantLoss
from .metric_depth import aligned_delta, aligned_rmse

__all__ = ['Classification', 'SGDClassificationModule', 'DepthEvaluator', 'DepthModule']


class _SeededLightning(Lightning):
    """NNI's evaluator with a seed and a trainer that clips gradients and writes nothing."""

    def __init__(self, module: LightningModule, train_dataloaders: Any, val_dataloaders: Any,
                 seed: int | None, trainer_kwargs: dict[str, Any]):
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
class Classification(_SeededLightning):
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
        super().__init__(module, train_dataloaders, val_dataloaders, seed, trainer_kwargs)


@nni.trace
class DepthModule(SupervisedLearningModule):
    """Train a depth network by Adam; a backbone learns at a rate of its own.

    Batches are images (B, 3, H, W) and disparities (B, H, W), 0 where invalid, as of
    `DepthImages`. Logs ``val_loss``, ``val_rmse`` and ``val_delta`` (the share of pixels right up
    to a factor of 1.25), the last two after the alignment of each image to its truth.

    Parameters
    ----------
    learning_rate, backbone_learning_rate
        Of the first third of the epochs, divided by 10 after each third. The second is that of
        the model's attribute ``backbone``; 0 freezes its weights.
    weight_decay
        Of the optimiser.
    """

    def __init__(self, *, learning_rate: float = 1e-4, backbone_learning_rate: float = 1e-5,
                 weight_decay: float = 0.):
        super().__init__(ScaleShiftInvariantLoss, {}, learning_rate=learning_rate,
                         weight_decay=weight_decay, export_onnx=False)
        self.backbone_learning_rate = backbone_learning_rate

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        images, disparities = batch
        loss = self.criterion(self(images), disparities)
        self.log('train_loss', loss.detach(), prog_bar=True)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Log the loss and the metrics of a batch; images without a valid pixel do not count."""
        images, disparities = batch
        known = (disparities > 0).flatten(1).any(1)
        if known.any():
            pair = self(images)[known], disparities[known]
            values = {'val_loss': self.criterion(*pair), 'val_rmse': aligned_rmse(*pair).mean(),
                      'val_delta': aligned_delta(*pair).mean()}
            self.log_dict({name: value.float() for name, value in values.items()},
                          prog_bar=True, batch_size=len(pair[0]))

    def configure_optimizers(self) -> Any:
        """Return Adam and its three steps over the trainer's epochs."""
        backbone = list(self.model.backbone.parameters())
        others = [one for name, one in self.model.named_parameters()
                  if not name.startswith('backbone.')]
        groups = [dict(params=others, lr=self.hparams.learning_rate)]
        if self.backbone_learning_rate > 0:
            groups.append(dict(params=backbone, lr=self.backbone_learning_rate))
        for parameter in backbone:
            parameter.requires_grad_(self.backbone_learning_rate > 0)
        optimizer = torch.optim.Adam(groups, weight_decay=self.hparams.weight_decay)
        third = max(1, math.ceil((self.trainer.max_epochs or 1) / 3))
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, third, gamma=0.1)]

    def _get_result_for_report(self) -> dict[str, float]:
        """Return what NNI is told: the loss as default, lower is better, and the metrics."""
        values = {name: self.trainer.callback_metrics[f'val_{name}'].item()
                  for name in ('loss', 'rmse', 'delta')}
        return {'default': values['loss'], **values}


@nni.trace
class DepthEvaluator(_SeededLightning):
    """Stand-alone training of a depth network: Adam, three learning rates, clipping, seed.

    The metric is the scale- and shift-invariant loss in validation, lower is better: searches
    need ``mode='min'``. The recipe of Yu et al., "Landmark Regularization", CVPR 2021: 300 epochs
    with batches of 8, of a backbone with pretrained weights; weight decay 3e-4 for super-nets.

    Parameters
    ----------
    train_dataloaders, val_dataloaders
        Of images (B, 3, H, W) and disparities (B, H, W), 0 where invalid.
    seed
        Seeds the weights and the order of the data; None leaves the generators alone.
    learning_rate, backbone_learning_rate, weight_decay
        See `DepthModule`.
    **trainer_kwargs
        Passed to the Lightning trainer, for example ``max_epochs=300``.

    .. note:: Gradients are clipped at a norm of 5, as in the other tasks of the paper; for this
       one it states nothing.

    Examples
    --------
    >>> evaluator = DepthEvaluator(None, [], max_epochs=3, enable_progress_bar=False)
    >>> evaluator.module.criterion
    ScaleShiftInvariantLoss(trim=0.2, gradient_weight=0.5, scales=4)
    """

    def __init__(self, train_dataloaders: Any, val_dataloaders: Any, *, seed: int | None = 0,
                 learning_rate: float = 1e-4, backbone_learning_rate: float = 1e-5,
                 weight_decay: float = 0., **trainer_kwargs: Any):
        module = DepthModule(learning_rate=learning_rate, weight_decay=weight_decay,
                             backbone_learning_rate=backbone_learning_rate)
        super().__init__(module, train_dataloaders, val_dataloaders, seed, trainer_kwargs)
