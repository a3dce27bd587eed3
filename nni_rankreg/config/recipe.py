"""Which class an argument takes, so that a search file need not name that of a recipe."""

from __future__ import annotations

import inspect
import types
from collections.abc import Mapping
from typing import Any, Union, get_args, get_origin, get_type_hints

__all__ = ['owner_of', 'recipe_of']

_PLAIN = ('builtins', 'pathlib', 'types')  # modules of what YAML holds as it is


def owner_of(target: Any, name: str) -> Any:
    """Return what declares an argument: a class takes those of its bases by ``**kwargs``.

    Parameters
    ----------
    target
        A class or function.
    name
        Of an argument; nothing declares one that goes into ``**kwargs``.
    """
    for one in inspect.getmro(target) if inspect.isclass(target) else [target]:
        if name in inspect.signature(one).parameters:
            return one
    return None


def recipe_of(target: Any, name: str, arguments: Mapping[str, Any]) -> Any:
    """Return the class whose arguments are given for an argument of a class or function.

    Parameters
    ----------
    target
        A class or function.
    name
        Of its argument.
    arguments
        What is given for that. If it takes one of several classes, the names tell which.

    Returns
    -------
    The class, or None if a mapping is what the argument takes, or if it does not say what it takes.

    Raises
    ------
    ValueError
        If the names do not tell which class it is.

    Examples
    --------
    >>> from fractions import Fraction
    >>> def search(share: Fraction | None = None, options: dict[str, Any] | None = None): ...
    >>> recipe_of(search, 'share', {'numerator': 3}), recipe_of(search, 'options', {'a': 3})
    (<class 'fractions.Fraction'>, None)
    """
    hint = _hints(owner_of(target, name)).get(name)
    hints = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else [hint]
    kinds = [get_origin(one) or one for one in hints]
    if any(inspect.isclass(one) and issubclass(one, Mapping) for one in kinds):
        return None
    classes = [one for one in hints if inspect.isclass(one) and one.__module__ not in _PLAIN]
    fitting = classes if len(classes) == 1 else [one for one in classes if _takes(one, arguments)]
    if classes and (len(fitting) != 1 or inspect.isabstract(fitting[0])):
        raise ValueError(f'Expected the class_path and init_args of a '
                         f'{" or ".join(one.__name__ for one in classes)}, got {dict(arguments)}.')
    return fitting[0] if fitting else None


def _takes(one: Any, arguments: Mapping[str, Any]) -> bool:
    try:
        inspect.signature(getattr(one, '__wrapped__', one)).bind(**arguments)
    except TypeError:
        return False
    return True


def _hints(owner: Any) -> dict[str, Any]:
    """Return the types of the arguments, as far as they can be told."""
    try:
        return get_type_hints(owner.__init__ if inspect.isclass(owner) else owner)
    except (AttributeError, NameError, TypeError):  # names that only a type checker imports
        return {}
