"""Import paths of classes and functions, ``package.name``, as files and commands spell them."""

from __future__ import annotations

import importlib
from typing import Any

from .error import brief, one_line

__all__ = ['check_import_path', 'import_object']


def check_import_path(path: Any, what: str = 'an import path') -> None:
    """Check the form of an import path; nothing is imported.

    Parameters
    ----------
    path
        Of anything; a path is a text of at least two names with dots between them.
    what
        Was expected, for the message.

    Raises
    ------
    ValueError
        If it is no such text.
    """
    if (not isinstance(path, str) or '.' not in path
            or not all(part.isidentifier() for part in path.split('.'))):
        raise ValueError(f'Expected {what}, package.name, got {brief(path)}.')


def import_object(path: Any, what: str = 'the path of a class or function') -> Any:
    """Import what a path names: an attribute of a module, or of a class in it.

    Parameters
    ----------
    path
        Such as ``torch.nn.ReLU``.
    what
        Was expected, for the message.

    Raises
    ------
    ValueError
        If there is no such thing, or its module cannot be imported; the message says why.

    Examples
    --------
    >>> import_object('fractions.Fraction.from_float')(0.5)
    Fraction(1, 2)
    >>> import_object('collections.Tree')
    Traceback (most recent call last):
    ValueError: Expected the path of a class or function, got collections.Tree: module ...
    """
    check_import_path(path, what)
    parent, _, name = path.rpartition('.')
    try:
        return getattr(_module_or_attribute(parent), name)
    except (Exception, SystemExit) as error:         # a module of the user may raise anything
        raise ValueError(f'Expected {what}, got {path}: {one_line(error)}.') from error


def _module_or_attribute(path: str) -> Any:
    parent, _, name = path.rpartition('.')
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as error:
        is_missing_itself = f'{path}.'.startswith(f'{error.name}.')
        if not parent or not is_missing_itself:      # but what it imports
            raise
    return getattr(_module_or_attribute(parent), name)
