"""What is no code of an architecture, whatever it is, is refused in the same way."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ['codec']

Codec = TypeVar('Codec', bound=Callable[..., Any])


def codec(function: Codec) -> Codec:
    """Let a function that encodes or decodes raise ValueError for whatever it cannot read.

    Examples
    --------
    >>> @codec
    ... def decode(code):
    ...     return {'op': code.split('~')[1]}
    >>> try:
    ...     decode(7)
    ... except ValueError as error:
    ...     print(error)
    Expected what decode takes, got 7: 'int' object has no attribute 'split'
    """
    @functools.wraps(function)
    def checked(code: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return function(code, *args, **kwargs)
        except (TypeError, LookupError, AttributeError, ArithmeticError, ValueError) as error:
            if str(error).startswith('Expected'):
                raise                              # it has told by itself
            raise ValueError(f'Expected what {function.__name__} takes, got {code!r}: {error}'
                             ) from error
    return checked  # type: ignore[return-value]
