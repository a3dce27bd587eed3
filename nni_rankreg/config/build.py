"""What a search file describes, built in three passes over the tree.

The first imports what the class paths name and fills in the parameters of the trial, the second
checks the arguments, the third builds.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from .._util.error import one_line
from .._util.import_path import import_object
from .form import KEYS, ConfigError, check_path, children, is_placeholder, is_trusted
from .recipe import owner_of, recipe_of

__all__ = ['Search', 'build_search']


class Search(NamedTuple):
    """What a search file describes."""

    space: Any
    evaluator: Any
    strategy: Any


def build_search(config: Mapping[str, Any], values: Mapping[str, Any] | None = None) -> Search:
    """Build what a search file describes.

    Parameters
    ----------
    config
        Of `read_config`.
    values
        Parameters of the trial, which fill in the placeholders; None takes their defaults.

    Raises
    ------
    ConfigError
        Naming the key.
    """
    calls = [_imported(config[name], name, values or {}) for name in KEYS]
    for call in _calls(calls):
        _check_arguments(call)
    found = Search(*_built(calls))
    from nni.nas.evaluator import Evaluator  # not above: torch takes seconds to import
    from nni.nas.nn.pytorch import ModelSpace
    from nni.nas.strategy.base import Strategy

    for name, value, kind in zip(KEYS, found, (ModelSpace, Evaluator, Strategy)):
        if not isinstance(value, kind):
            raise ConfigError(f"{name}.class_path: Expected NNI's {kind.__name__}, got a "
                              f'{type(value).__name__}.')
    return found


# First pass: values and calls in the place of placeholders and class paths

@dataclass(frozen=True)
class _Call:
    """A class or function, its arguments, which may hold further calls, and keys in the file."""

    key: str
    target: Callable[..., Any]
    arguments: dict[str, Any]
    place: str
    """Key of the arguments."""


def _imported(node: Any, key: str, values: Mapping[str, Any]) -> Any:
    """Return a tree with the values of the trial, and with a `_Call` for each class path."""
    if is_placeholder(node):
        return values.get(node['parameter'], node['default'])
    if isinstance(node, list):
        return [_imported(one, f'{key}.{index}', values) for index, one in enumerate(node)]
    if not isinstance(node, dict):
        return node
    if 'class_path' not in node:
        return {name: _imported(one, f'{key}.{name}', values) for name, one in node.items()}
    target = _target(node['class_path'], f'{key}.class_path', values)
    return _call(key, target, node.get('init_args') or {}, f'{key}.init_args', values)


def _call(key: str, target: Callable[..., Any], arguments: Mapping[str, Any], place: str,
          values: Mapping[str, Any]) -> _Call:
    return _Call(key, target, {name: _argument(target, name, one, f'{place}.{name}', values)
                               for name, one in arguments.items()}, place)


def _argument(target: Callable[..., Any], name: str, node: Any, key: str,
              values: Mapping[str, Any]) -> Any:
    """Return the value of an argument; a mapping may leave out the class of a recipe."""
    if isinstance(node, dict) and 'class_path' not in node and not is_placeholder(node):
        try:
            recipe = recipe_of(_original(target), name, node)
        except ValueError as error:
            raise ConfigError(f'{key}: {error}') from error
        if recipe is not None:
            return _call(key, recipe, node, key, values)
    return _imported(node, key, values)


def _target(node: Any, key: str, values: Mapping[str, Any]) -> Callable[..., Any]:
    """Import a class or function; one of a trusted package is defined in one, not just named."""
    path = _imported(node, key, values)
    if is_placeholder(node):                    # the value of a trial is as good as its default
        check_path(key, path, trust=not is_trusted(node['default']))
    try:
        target = import_object(path)
    except ValueError as error:
        raise ConfigError(f'{key}: {error}') from error
    defined = str(getattr(target, '__module__', ''))
    if not callable(target) or (is_trusted(path) and not is_trusted(defined)):
        raise ConfigError(f'{key}: Expected the path of a class or function, got {path}.')
    return target


# Second pass: the arguments of the calls

def _calls(node: Any) -> Iterator[_Call]:
    """Yield the calls of a tree, each before those in its arguments."""
    if isinstance(node, _Call):
        yield node
        node = node.arguments
    for _, child in children(node):
        yield from _calls(child)


def _check_arguments(call: _Call) -> None:
    """Check the names of arguments and, of plain values, the types."""
    original = _original(call.target)
    try:
        inspect.signature(original).bind(**call.arguments)
    except TypeError as error:
        raise ConfigError(f'{call.place}: {original.__name__}: {error}.') from error
    for name, value in call.arguments.items():
        owner = owner_of(original, name)
        if owner is not None and not any(_calls(value)):
            _check_type(owner, name, value, f'{call.place}.{name}')


def _original(target: Callable[..., Any]) -> Callable[..., Any]:
    """Return what NNI has traced."""
    return getattr(target, '__wrapped__', target)


def _check_type(owner: Any, name: str, value: Any, key: str) -> None:
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(exit_on_error=False)
    add = parser.add_class_arguments if inspect.isclass(owner) else parser.add_function_arguments
    others = [one for one in inspect.signature(owner).parameters if one != name]
    add(owner, fail_untyped=False, skip=set(others))
    try:
        parser.parse_object({name: value})
    except Exception as error:
        reason = one_line(error).removeprefix(f'Parser key "{name}": ')
        raise ConfigError(f'{key}: {reason}') from error


# Third pass

def _built(node: Any) -> Any:
    """Return a tree with the result of each call in its place."""
    if isinstance(node, list):
        return [_built(one) for one in node]
    if isinstance(node, dict):
        return {name: _built(one) for name, one in node.items()}
    if not isinstance(node, _Call):
        return node
    arguments = _built(node.arguments)
    try:
        return node.target(**arguments)
    except Exception as error:
        raise ConfigError(f'{node.key}: {one_line(error)}') from error
