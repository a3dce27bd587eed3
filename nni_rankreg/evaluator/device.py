"""What a training on a GPU has beyond one on the CPU."""

from __future__ import annotations

from typing import Any

from pytorch_lightning.plugins.precision import MixedPrecision, Precision
from pytorch_lightning.utilities import GradClipAlgorithmType

from .._util.device import check_device
from .speed import Speed

__all__ = ['BFloat16', 'check_device', 'on_device']


def on_device(device: str) -> dict[str, Any]:
    """Return arguments of `Classification` and its trainer for a device.

    Parameters
    ----------
    device
        ``'cpu'``, or ``'cuda'``: one GPU, autocast to bfloat16, channels last, fused SGD.
    """
    if device == 'cpu':
        return {'accelerator': 'cpu'}
    return {'accelerator': 'gpu', 'devices': 1, 'plugins': BFloat16(device),
            'speed': Speed(fused=True, channels_last=True)}


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
