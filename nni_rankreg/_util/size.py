"""Sizes of networks and batches: whole numbers from 1 up."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral
from typing import Any

from .error import brief

__all__ = ['COUNT', 'check_sizes']

COUNT = 1000
"""The most blocks of a kind; a network of as many takes minutes to build."""

_SIZE = 10 ** 6


def check_sizes(most: int = _SIZE, **sizes: int | Iterable[int]) -> None:
    """Refuse sizes that nothing can have, before anything is built.

    Parameters
    ----------
    most
        The greatest that is accepted, a million if it is not given.
    **sizes
        Argument -> size, or several of them.

    Raises
    ------
    ValueError
        If one is no whole number from 1 to `most`; naming the argument.

    Examples
    --------
    >>> check_sizes(num_labels=10, channels=(16, 32))
    >>> check_sizes(num_labels=10, channels=(16, -1))
    Traceback (most recent call last):
    ValueError: Expected whole numbers from 1 to 1000000 as channels, got (16, -1).
    """
    for name, size in sizes.items():
        several = isinstance(size, Iterable) and not isinstance(size, str)
        found: list[Any] = list(size) if several else [size]       # type: ignore[arg-type]
        if not found or not all(_is_size(one, most) for one in found):
            what = 'whole numbers' if several else 'a whole number'
            raise ValueError(f'Expected {what} from 1 to {most} as {name}, got {brief(size)}.')


def _is_size(value: Any, most: int) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and 1 <= int(value) <= most
