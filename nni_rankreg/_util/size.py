"""Sizes of networks and batches, and counts: whole numbers."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral
from typing import Any

from .error import brief

__all__ = ['COUNT', 'check_count', 'check_sizes']

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


def check_count(name: str, value: Any, least: int = 1) -> None:
    """Refuse what counts nothing.

    Parameters
    ----------
    name
        Of what is counted.
    value
        The count.
    least
        The smallest that is accepted.

    Raises
    ------
    ValueError
        If the count is no whole number, or too small.

    Examples
    --------
    >>> check_count('budget', 20)
    >>> check_count('budget', 12.5)
    Traceback (most recent call last):
    ValueError: Expected a whole number of at least 1 as budget, got 12.5.
    """
    if not _is_whole(value) or value < least:
        raise ValueError(f'Expected a whole number of at least {least} as {name}, got '
                         f'{brief(value)}.')


def _is_size(value: Any, most: int) -> bool:
    return _is_whole(value) and 1 <= int(value) <= most


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)
