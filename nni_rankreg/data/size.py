"""The number of examples in a batch."""

from __future__ import annotations

from typing import Any

from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.utilities.data import extract_batch_size

__all__ = ['batch_size']


def batch_size(batch: Any) -> int | None:
    """Return the number of examples in a batch as Lightning counts them; None if it cannot.

    Examples
    --------
    >>> import torch
    >>> batch_size({'x': torch.zeros(3, 2)}), batch_size(object())
    (3, None)
    """
    try:
        return extract_batch_size(batch)
    except (MisconfigurationException, RecursionError):
        return None
