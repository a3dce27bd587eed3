"""Memory that stays with the process from one tensor to the next, which is faster on CPUs."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ['keep_memory', 'kept_memory']

# Parameters of glibc's mallopt, <malloc.h>.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
_KEEP = {_TRIM_THRESHOLD: 2 ** 31 - 1, _MMAP_MAX: 0}
# As far as glibc itself raises them while a program runs; it stops adapting them once they are set.
_USUAL = {_TRIM_THRESHOLD: 2 ** 26, _MMAP_THRESHOLD: 2 ** 25, _MMAP_MAX: 2 ** 16}

_depth = 0


def keep_memory() -> None:
    """Keep freed memory for good; for a process of one's own."""
    _set(_KEEP)


@contextmanager
def kept_memory() -> Iterator[None]:
    """Keep freed memory for the tensors to come, and give it back on exit; may be nested.

    Otherwise the C library of Linux gives large blocks back at once, and the system clears each
    page anew when a tensor needs it: up to a half of the time of a forward pass was seen to go
    there. Other C libraries are left as they are.

    .. note:: Afterwards blocks are kept as they are in a process that has freed one of 32 MB.

    Examples
    --------
    >>> import torch
    >>> with kept_memory():
    ...     torch.ones(3).sum()
    tensor(3.)
    """
    global _depth
    if _depth == 0:
        _set(_KEEP)
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1
        if _depth == 0:
            _set(_USUAL)
            _call('malloc_trim', 0)


def _set(parameters: dict[int, int]) -> None:
    for name, value in parameters.items():
        _call('mallopt', name, value)


def _call(function: str, *arguments: int) -> None:
    """Call a function of the C library, if that has it."""
    if sys.platform == 'linux':
        getattr(ctypes.CDLL(None), function, lambda *_: None)(*arguments)
