"""Ready evaluator of classification, with the recipes of the one-shot literature."""

from __future__ import annotations

from typing import Any

import nni
import torch
import torch.nn.functional as F
from nni.nas.evaluator.pytorch import ClassificationModule
from torch import Tensor

from .learning_rate import LearningRateSchedule
from .seeded import SeededLightning
from .speed import Speed

__all__ = ['Classification', 'SGDClassificationModule', 'ACENAS_SUPERNET', 'IMAGENET_LINEAR']

ACENAS_SUPERNET: dict[str, Any] = dict(
    learning_rate=0.48, schedule=LearningRateSchedule(0., warmup_epochs=5, per_step=True),
    weight_decay=5e-5, label_smoothing=0.1, max_epochs=360, gradient_clip_val=None)
"""Super-net of `ProxylessNAS` on ImageNet in batches of 2,048: Zhang et al., "AceNAS", Table 6.

``Classification(train, validation, num_classes=1000, **ACENAS_SUPERNET)``. Label smoothing is that
of the published code; there each of 16 GPUs draws an architecture for its 128 images."""

IMAGENET_LINEAR: dict[str, Any] = dict(
    learning_rate=0.5, schedule=LearningRateSchedule(
        0., 'linear', warmup_epochs=5, warmup_start=0.1, per_step=True),
    weight_decay=3e-4, label_smoothing=0.1, max_epochs=50)
"""Stand-alone training on ImageNet: Yu et al., "Landmark Regularization", CVPR 2021, section 5.2.

Batches of 1,024 and clipping at 5 are those of the published code, which also takes a weight decay
of 3e-5. The super-net of that section is trained on 15 % of the images: ``FolderImages(...,
part=(0, 0.15))``."""


@nni.trace
class SGDClassificationModule(ClassificationModule):
    """NNI's classification module, trained by SGD with momentum and a decaying learning rate.

    Parameters
    ----------
    num_classes
        Number of classes.
    learning_rate, schedule
        Its peak, and its course.
    weight_decay, momentum
        Of the optimiser.
    label_smoothing
        Of the cross-entropy in training.
    speed
        What makes its steps faster.

    Raises
    ------
    ValueError
        In training, if the warm-up leaves no epoch.
    """

    def __init__(self, num_classes: int, *, learning_rate: float = 0.025,
                 schedule: LearningRateSchedule = LearningRateSchedule(),
                 weight_decay: float = 5e-4, momentum: float = 0.9, label_smoothing: float = 0.,
                 speed: Speed = Speed()):
        super().__init__(learning_rate=learning_rate, weight_decay=weight_decay,
                         optimizer=torch.optim.SGD, num_classes=num_classes)
        self.schedule, self.momentum, self.label_smoothing = schedule, momentum, label_smoothing
        self.speed = speed

    def setup(self, stage: str) -> None:
        """Lay the weights out, before the optimiser is made; Lightning calls this."""
        if self.speed.channels_last:
            self.to(memory_format=torch.channels_last)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Return the loss of a batch; the accuracy is measured in validation only."""
        images, labels = batch
        loss = F.cross_entropy(self(images), labels, label_smoothing=self.label_smoothing)
        self.log('train_loss', loss.detach(), prog_bar=True)
        return loss

    def configure_optimizers(self) -> Any:
        """Return SGD and its schedule over the trainer's epochs."""
        optimizer = torch.optim.SGD(
            self.parameters(), lr=self.hparams.learning_rate, momentum=self.momentum,
            weight_decay=self.hparams.weight_decay, fused=self.speed.fused or None)
        if self.speed.fused:
            # PyTorch takes the momentum of all parameters or of none to be missing; in the first
            # step of a super-net few have a gradient. Zero is the same as missing.
            for parameter in self.parameters():
                optimizer.state[parameter]['momentum_buffer'] = torch.zeros_like(parameter)
        return [optimizer], [self.schedule.configure(optimizer, self.trainer)]


@nni.trace
class Classification(SeededLightning):
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
    learning_rate, schedule, weight_decay, momentum, label_smoothing, speed
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
                 schedule: LearningRateSchedule = LearningRateSchedule(),
                 weight_decay: float = 5e-4, momentum: float = 0.9, label_smoothing: float = 0.,
                 speed: Speed = Speed(), **trainer_kwargs: Any):
        module = SGDClassificationModule(
            num_classes, learning_rate=learning_rate, schedule=schedule, weight_decay=weight_decay,
            momentum=momentum, label_smoothing=label_smoothing, speed=speed)
        super().__init__(module, train_dataloaders, val_dataloaders, seed, trainer_kwargs)
