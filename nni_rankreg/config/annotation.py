"""Whether values of a file, and what it builds, are what an annotation expects.

Nothing is converted, and no text is taken for the path of a class: a value of another type is an
error. Lists stand for all sequences, texts for paths.
"""

from __future__ import annotations

import collections.abc
import inspect
import os
import types
from collections.abc import Mapping
from typing import (
    Annotated,
    Any,
    Literal,
    Protocol,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from .._util.error import brief
from .call import Call
from .trust import original

__all__ = ['describe', 'expected', 'fits']

_PLAIN: dict[Any, tuple[type, ...]] = {
    bool: (bool,), int: (int,), float: (float, int), complex: (float, int), str: (str,),
    None: (type(None),), type(None): (type(None),)}
_SEQUENCES = (collections.abc.Iterable, collections.abc.Collection, collections.abc.Sequence,
              collections.abc.MutableSequence, collections.abc.Set, list, tuple, set, frozenset)


def fits(node: Any, hint: Any) -> bool:
    """Return whether a value, or a `Call`, is what an annotation expects.

    Parameters
    ----------
    node
        Of a search file.
    hint
        A type; what it is not certain about is taken.

    Examples
    --------
    >>> fits(3, float | None), fits('3', float | None), fits([3, True], list[int])
    (True, False, False)
    """
    kind, arguments = get_origin(hint) or hint, get_args(hint)
    if kind is Annotated:
        return fits(node, arguments[0])
    if kind in (Union, types.UnionType):
        return any(fits(node, one) for one in arguments)
    if _is_open(kind):
        return True
    if isinstance(node, Call):
        return _builds(node.target, kind)
    if kind in _PLAIN:
        return type(node) in _PLAIN[kind]
    if kind is Literal:
        return any(type(node) is type(one) and node == one for one in arguments)
    if not inspect.isclass(kind):              # a class, a function: these are not plain values
        return False
    if kind in _SEQUENCES:
        return isinstance(node, list) and _items_fit(node, hint, arguments)
    if issubclass(kind, Mapping):
        return isinstance(node, dict) and (len(arguments) != 2 or all(
            fits(name, arguments[0]) and fits(one, arguments[1]) for name, one in node.items()))
    return issubclass(kind, os.PathLike) and isinstance(node, str)


def _is_open(kind: Any) -> bool:
    """Return whether an annotation says nothing that can be checked."""
    return (kind in (Any, object, inspect.Parameter.empty)
            or isinstance(kind, (str, TypeVar)))


def _items_fit(node: list[Any], hint: Any, arguments: tuple[Any, ...]) -> bool:
    if get_origin(hint) is tuple and arguments[-1:] != (Ellipsis,):
        return len(node) == len(arguments) and all(map(fits, node, arguments))
    return not arguments or all(fits(one, arguments[0]) for one in node)


def _builds(target: Any, kind: Any) -> bool:
    """Return whether a class, or what a function says it returns, is of a kind."""
    target = original(target)
    if not inspect.isclass(target):
        target = _returned(target)
        if not inspect.isclass(target):
            return True
    if kind is collections.abc.Callable:
        return _is_called(target)
    if not inspect.isclass(kind):
        return False
    if Protocol in kind.__bases__:             # what others have, instead of a base
        wanted = [name for name in vars(kind) if not name.startswith('_')]
        return (all(hasattr(target, name) for name in wanted)
                and ('__call__' not in vars(kind) or _is_called(target)))
    return issubclass(target, kind)


def _is_called(target: type) -> bool:
    return any('__call__' in vars(one) for one in target.__mro__)


def _returned(function: Any) -> Any:
    try:
        hint = get_type_hints(function).get('return')
    except (NameError, TypeError):             # names that only a type checker imports
        return None
    return get_origin(hint) or hint


def expected(hint: Any) -> str:
    """Return an annotation in words.

    Examples
    --------
    >>> expected(list[int] | None), expected(Literal['min', 'max'])
    ('list[int] or null', "'min' or 'max'")
    """
    kind, arguments = get_origin(hint) or hint, get_args(hint)
    if kind is Annotated:
        return expected(arguments[0])
    if kind in (Union, types.UnionType):
        return ' or '.join(dict.fromkeys(map(expected, arguments)))
    if kind is Literal:
        return ' or '.join(map(repr, arguments))
    if kind in (None, type(None)):
        return 'null'
    name = getattr(kind, '__name__', str(kind))
    if kind is collections.abc.Callable or not arguments:
        return name
    return f'{name}[{", ".join(map(expected, arguments))}]'


def describe(node: Any) -> str:
    """Return a value, or what is built, in words of bounded length.

    Examples
    --------
    >>> describe('1e-3'), describe([1, 2])
    ("the text '1e-3'", '[1, 2]')
    """
    if isinstance(node, Call):
        return f'a {getattr(original(node.target), "__name__", node.target)}'
    if node is None:
        return 'null'
    return f'the text {brief(node)}' if isinstance(node, str) else brief(node)
