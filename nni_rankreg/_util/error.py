"""Errors of others, as one line of our own, and values in a message; both of bounded length."""

from __future__ import annotations

import reprlib
from typing import Any

__all__ = ['brief', 'one_line']

_LINE = 1000
_BRIEF = 200


def one_line(error: BaseException) -> str:
    r"""Return the message of an error without line breaks, or its type if there is none.

    A long one loses its middle. What a terminal would obey is written as Python does.

    Examples
    --------
    >>> one_line(ValueError('No such\n    file.')), one_line(KeyboardInterrupt())
    ('No such file.', 'KeyboardInterrupt')
    """
    text = ' '.join(str(error).split()) or type(error).__name__
    return _without_middle(''.join(
        one if one.isprintable() else repr(one)[1:-1] for one in text), _LINE)


def brief(value: Any) -> str:
    """Return a value as Python writes it, the middle of a long one left out.

    Examples
    --------
    >>> brief('short'), len(brief(list(range(10 ** 6))))
    ("'short'", 200)
    """
    return _without_middle(_repr.repr(value), _BRIEF)


def _without_middle(text: str, length: int) -> str:
    if len(text) <= length:
        return text
    half = (length - 5) // 2
    return f'{text[:length - 5 - half]} ... {text[-half:]}'


_repr = reprlib.Repr()
_repr.maxlist = _repr.maxtuple = _repr.maxdict = _repr.maxset = 100
_repr.maxstring = _repr.maxother = _repr.maxlong = 2 * _BRIEF
