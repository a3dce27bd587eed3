"""What a training on a GPU has beyond one on the CPU."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.precision import MixedPrecision, Precision
from pytorch_lightning.utilities import GradClipAlgorithmType

__all__ = ['BFloat16', 'ChannelsLast', 'check_device', 'on_device']


def check_device(device: str) -> None:
    """Raise a ValueError if there is no such device.

    Parameters
    ----------
    device
        ``'cpu'`` or ``'cuda'``.
    """
    if device == 'cuda' and not torch.cuda.is_available():
        raise ValueError('Expected a GPU for the device cuda, got none that PyTorch sees.')


def on_device(device: str) -> tuple[list[pl.Callback], dict[str, Any]]:
    """Return callbacks, and other arguments of `Classification` and its trainer, for a device.

    Parameters
    ----------
    device
        ``'cpu'``, or ``'cuda'``: one GPU, autocast to bfloat16, channels last, fused SGD.
    """
    if device == 'cpu':
        return [], {'accelerator': 'cpu'}
    return [ChannelsLast()], {'accelerator': 'gpu', 'devices': 1, 'plugins': BFloat16(device),
                              'fused': True}


class BFloat16(MixedPrecision):
    """Autocast to bfloat16 that clips the gradients of fused optimisers as well.

    Lightning refuses to, as these undo the scale of gradients on their own; but bfloat16 has none.

    Parameters
    ----------
    device
        Type of the device.
    """

    def __init__(self, device: str):
        super().__init__('bf16-mixed', device)

    def clip_gradients(self, optimizer: Any, clip_val: int | float = 0., gradient_clip_algorithm:
                       GradClipAlgorithmType = GradClipAlgorithmType.NORM) -> None:
        """Clip the gradients; Lightning calls this."""
        Precision.clip_gradients(self, optimizer, clip_val, gradient_clip_algorithm)


class ChannelsLast(pl.Callback):
    """Lays the weights of convolutions out channels last, as the tensor cores of a GPU want it."""

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Lay them out, before the optimiser is made; what convolutions return follows."""
        pl_module.to(memory_format=torch.channels_last)
