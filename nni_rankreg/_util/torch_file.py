"""Files of PyTorch: weights and checkpoints, or one line on what is wrong."""

from __future__ import annotations

import os
from typing import Any

import torch

from .error import one_line
from .path import user_path

__all__ = ['read_torch_file']


def read_torch_file(path: str | os.PathLike[str], what: str) -> Any:
    """Return what a file of ``torch.save`` holds, with its tensors left on the disk until used.

    Parameters
    ----------
    path
        The file; nothing but tensors, numbers and texts is built from it.
    what
        Was expected, for the message.

    Raises
    ------
    FileNotFoundError
        If there is none.
    ValueError
        If it is empty, cut, or no such file.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     read_torch_file(file.name, 'a checkpoint')
    Traceback (most recent call last):
    ValueError: Expected a checkpoint at ..., got an empty file. Remove it to start anew.
    """
    file = user_path(path)
    if file.stat().st_size == 0:
        raise ValueError(f'Expected {what} at {path}, got an empty file. Remove it to start anew.')
    try:
        return torch.load(file, map_location='cpu', weights_only=True, mmap=True)
    except Exception as error:  # of the many kinds that a damaged file leads to
        raise ValueError(f'Expected {what} at {path}, got a damaged file or one of another kind: '
                         f'{one_line(error)[:200]}. Remove it to start anew.') from error
