"""Ready evaluator of classification, with the recipes of the one-shot literature."""

from __future__ import annotations

from typing import Any

import nni
import torch
import torch.nn.functional as F
from nni.nas.evaluator.pytorch import ClassificationModule
from torch import Tensor
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, SequentialLR

from .seeded import SeededLightning

__all__ = ['Classification', 'SGDClassificationModule', 'ACENAS_SUPERNET', 'IMAGENET_LINEAR']

ACENAS_SUPERNET: dict[str, Any] = dict(
    learning_rate=0.48, minimum_learning_rate=0., weight_decay=5e-5, label_smoothing=0.1,
    warmup_epochs=5, per_step=True, max_epochs=360, gradient_clip_val=None)
"""Super-net of `ProxylessNAS` on ImageNet in batches of 2,048: Zhang et al., "AceNAS", Table 6.

``Classification(train, validation, num_classes=1000, **ACENAS_SUPERNET)``. Label smoothing is that
of the published code; there each of 16 GPUs draws an architecture for its 128 images."""

IMAGENET_LINEAR: dict[str, Any] = dict(
    learning_rate=0.5, warmup_learning_rate=0.1, minimum_learning_rate=0., decay='linear',
    weight_decay=3e-4, label_smoothing=0.1, warmup_epochs=5, per_step=True, max_epochs=50)
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
    learning_rate, minimum_learning_rate
        At the end of the warm-up and at the end of the training.
    weight_decay, momentum
        Of the optimiser.
    label_smoothing
        Of the cross-entropy in training.
    decay
        Form of the decay, ``'cosine'`` or ``'linear'``.
    warmup_epochs, warmup_learning_rate
        Epochs in which the learning rate first rises in a line, and from where.
    per_step
        Whether the learning rate changes in each step; otherwise in each epoch.
    fused
        Whether the optimiser is a single kernel, which is faster on a GPU.
    channels_last
        Whether the weights of convolutions, and with them what these return, have their channels
        last in memory. It is faster on CPUs and on GPUs with tensor cores; a network must not take
        the memory of images for granted, as `Tensor.view` does.

    Raises
    ------
    ValueError
        If the decay is unknown; in training, if the warm-up leaves no epoch.
    """

    def __init__(self, num_classes: int, *, learning_rate: float = 0.025,
                 minimum_learning_rate: float = 0.001, weight_decay: float = 5e-4,
                 momentum: float = 0.9, label_smoothing: float = 0., decay: str = 'cosine',
                 warmup_epochs: int = 0, warmup_learning_rate: float = 0.,
                 per_step: bool = False, fused: bool = False, channels_last: bool = False):
        super().__init__(learning_rate=learning_rate, weight_decay=weight_decay,
                         optimizer=torch.optim.SGD, num_classes=num_classes)
        if decay not in ('cosine', 'linear'):
            raise ValueError(f"Expected a decay 'cosine' or 'linear', got {decay!r}.")
        self.minimum_learning_rate, self.momentum = minimum_learning_rate, momentum
        self.label_smoothing, self.decay, self.per_step = label_smoothing, decay, per_step
        self.warmup_epochs, self.warmup_learning_rate = warmup_epochs, warmup_learning_rate
        self.fused, self.channels_last = fused, channels_last

    def setup(self, stage: str) -> None:
        """Lay the weights out, before the optimiser is made; Lightning calls this."""
        if self.channels_last:
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
            weight_decay=self.hparams.weight_decay, fused=self.fused or None)
        if self.fused:
            # PyTorch takes the momentum of all parameters or of none to be missing; in the first
            # step of a super-net few have a gradient. Zero is the same as missing.
            for parameter in self.parameters():
                optimizer.state[parameter]['momentum_buffer'] = torch.zeros_like(parameter)
        return [optimizer], [{'scheduler': self._schedule(optimizer),
                              'interval': 'step' if self.per_step else 'epoch'}]

    def _schedule(self, optimizer: torch.optim.Optimizer) -> LRScheduler:
        epochs, peak = self.trainer.max_epochs, self.hparams.learning_rate
        if self.warmup_epochs >= epochs:
            raise ValueError(f'Expected more epochs than the {self.warmup_epochs} of the warm-up, '
                             f'got max_epochs={epochs}.')
        unit = self.trainer.estimated_stepping_batches / epochs if self.per_step else 1
        warmup = round(self.warmup_epochs * unit)
        rest = round(epochs * unit) - warmup
        decay: LRScheduler = (
            CosineAnnealingLR(optimizer, T_max=rest, eta_min=self.minimum_learning_rate)
            if self.decay == 'cosine' else
            LinearLR(optimizer, 1., self.minimum_learning_rate / peak, total_iters=rest))
        if not warmup:
            return decay
        # A factor of exactly 0 is refused by torch; the first step of the warm-up has none to do.
        rise = LinearLR(optimizer, max(self.warmup_learning_rate / peak, 1e-9), 1., warmup)
        return SequentialLR(optimizer, [rise, decay], [warmup])


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
    learning_rate, minimum_learning_rate, weight_decay, momentum, label_smoothing, decay, \
    warmup_epochs, warmup_learning_rate, per_step, fused, channels_last
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
                 momentum: float = 0.9, label_smoothing: float = 0., decay: str = 'cosine',
                 warmup_epochs: int = 0, warmup_learning_rate: float = 0.,
                 per_step: bool = False, fused: bool = False, channels_last: bool = False,
                 **trainer_kwargs: Any):
        module = SGDClassificationModule(
            num_classes, learning_rate=learning_rate, weight_decay=weight_decay,
            minimum_learning_rate=minimum_learning_rate, momentum=momentum,
            label_smoothing=label_smoothing, decay=decay, warmup_epochs=warmup_epochs,
            warmup_learning_rate=warmup_learning_rate, per_step=per_step, fused=fused,
            channels_last=channels_last)
        super().__init__(module, train_dataloaders, val_dataloaders, seed, trainer_kwargs)
