"""Whether there is a device that computes."""

from __future__ import annotations

import torch

from .error import one_line

__all__ = ['check_device']


def check_device(device: str) -> None:
    """Raise a ValueError if there is no such device, or none that computes.

    Parameters
    ----------
    device
        Such as ``'cpu'`` or ``'cuda'``.
    """
    try:
        found = torch.device(device)
        torch.zeros(1, device=found).cpu()     # a device without data, meta, cannot do this
    except (AssertionError, ImportError, RuntimeError) as error:
        raise ValueError('Expected a device that PyTorch can compute on, such as cpu or cuda, got '
                         f'{device!r}: {one_line(error)}') from error
