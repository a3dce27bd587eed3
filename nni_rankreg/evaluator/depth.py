"""Ready evaluator of monocular depth."""

from __future__ import annotations

import math
from typing import Any

import nni
import torch
from nni.nas.evaluator.pytorch import SupervisedLearningModule
from torch import Tensor

from ..loss.depth import ScaleShiftInvariantLoss
from ..metric.depth import aligned_delta, aligned_rmse
from .seeded import SeededLightning

__all__ = ['DepthEvaluator', 'DepthModule']


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
class DepthEvaluator(SeededLightning):
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
