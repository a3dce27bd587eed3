"""Errors of others, as one line of our own."""

from __future__ import annotations

__all__ = ['one_line']


def one_line(error: BaseException) -> str:
    r"""Return the message of an error without line breaks, or its type if there is none.

    Examples
    --------
    >>> one_line(ValueError('No such\n    file.')), one_line(KeyboardInterrupt())
    ('No such file.', 'KeyboardInterrupt')
    """
    return ' '.join(str(error).split()) or type(error).__name__
