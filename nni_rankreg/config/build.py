"""What a search file describes, built in three passes over the tree.

The first imports what the class paths name and fills in the parameters of the trial, the second
checks the arguments, the third builds. Unless the file is trusted, what is of no kind that may be
built (`trust`) ends the first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from .._util.error import one_line
from .._util.import_path import import_object
from .annotation import describe, expected, fits
from .call import Call, calls_in
from .form import KEYS, TRUST, ConfigError, check_path, is_placeholder
from .recipe import hint_of, recipe_of, signature_of
from .size import bounded_networks
from .trust import may_build, original

__all__ = ['Search', 'build_search', 'check_search', 'check_values']

_UNTRUSTED = ('fit_kwargs',)
"""Arguments that bring checkpoints, which Lightning unpickles, and whether to."""


class Search(NamedTuple):
    """What a search file describes."""

    space: Any
    evaluator: Any
    strategy: Any


def build_search(config: Mapping[str, Any], values: Mapping[str, Any] | None = None, *,
                 trust: bool = False) -> Search:
    """Build what a search file describes.

    Parameters
    ----------
    config
        Of `read_config`.
    values
        Parameters of the trial, which fill in the placeholders; None takes their defaults.
    trust
        Whether any class or function is imported and called, not just those of `may_build`.

    Raises
    ------
    ConfigError
        Naming the key.
    """
    calls = check_values(config, values, trust=trust)
    with bounded_networks():
        return Search(*_built(calls))


def check_search(search: Search) -> None:
    """Let a strategy of ours refuse what it cannot search, before anything is trained.

    Raises
    ------
    ConfigError
        With the reason.
    """
    check = getattr(search.strategy, 'check', None)
    if check is None:
        return
    try:
        check(search.space, search.evaluator)
    except (TypeError, ValueError) as error:
        raise ConfigError(f'strategy: {one_line(error)}') from error


def check_values(config: Mapping[str, Any], values: Mapping[str, Any] | None = None, *,
                 trust: bool = False) -> list[Call]:
    """Check the arguments of a search file as `build_search` does; nothing is built.

    Parameters
    ----------
    config, values, trust
        As of `build_search`.

    Returns
    -------
    Space, evaluator and strategy.

    Raises
    ------
    ConfigError
        Naming the key.
    """
    from nni.nas.evaluator import Evaluator  # not above: torch takes seconds to import
    from nni.nas.nn.pytorch import ModelSpace
    from nni.nas.strategy.base import Strategy

    calls = [_Importer(values or {}, trust).imported(config[name], name) for name in KEYS]
    for name, call, kind in zip(KEYS, calls, (ModelSpace, Evaluator, Strategy)):
        if not fits(call, kind):
            raise ConfigError(f"{name}.class_path: Expected NNI's {kind.__name__}, got "
                              f'{describe(call)}.')
    for call in calls_in(calls):
        _check_arguments(call)
    return calls


# First pass: values and calls in the place of placeholders and class paths

class _Importer:
    """Puts the values of the trial, and a `Call` for each class path, into a tree."""

    def __init__(self, values: Mapping[str, Any], trust: bool):
        self._values, self._trust = values, trust

    def imported(self, node: Any, key: str) -> Any:
        """Return a tree, which is somewhere in the file."""
        if is_placeholder(node):
            return self._values.get(node['parameter'], node['default'])
        if isinstance(node, list):
            return [self.imported(one, f'{key}.{index}') for index, one in enumerate(node)]
        if not isinstance(node, dict):
            return node
        if 'class_path' not in node:
            return {name: self.imported(one, f'{key}.{name}') for name, one in node.items()}
        target = self._target(node['class_path'], f'{key}.class_path')
        return self._call(key, target, node.get('init_args') or {}, f'{key}.init_args')

    def _target(self, node: Any, key: str) -> Callable[..., Any]:
        path = self.imported(node, key)
        check_path(key, path, self._trust)     # that of a trial has not been checked yet
        try:
            target = import_object(path)
        except ValueError as error:
            raise ConfigError(f'{key}: {error}') from error
        if not callable(target):
            raise ConfigError(f'{key}: Expected the path of a class or function, got {path}.')
        return target

    def _call(self, key: str, target: Callable[..., Any], arguments: Mapping[str, Any], place: str
              ) -> Call:
        if not (self._trust or may_build(target)):
            raise ConfigError(
                f'{key}: Expected a class that is a part of searches, or one of the '
                f'functions that files may name, got {describe(Call(key, target, {}, place))} of '
                f'{target.__module__}. {TRUST}')
        for name in _UNTRUSTED:
            if name in arguments and not self._trust:
                raise ConfigError(f'{place}.{name}: Expected a trusted file for it. {TRUST}')
        return Call(key, target, {name: self._argument(target, name, one, f'{place}.{name}')
                                  for name, one in arguments.items()}, place)

    def _argument(self, target: Callable[..., Any], name: str, node: Any, key: str) -> Any:
        """Return the value of an argument; a mapping may leave out the class of a recipe."""
        if isinstance(node, dict) and 'class_path' not in node and not is_placeholder(node):
            try:
                recipe = recipe_of(target, name, node)
            except ValueError as error:
                raise ConfigError(f'{key}: {error}') from error
            if recipe is not None:
                return self._call(key, recipe, node, key)
        return self.imported(node, key)


# Second pass: the arguments of the calls

def _check_arguments(call: Call) -> None:
    """Check the names of arguments, and the values against their annotations."""
    target = original(call.target)
    try:
        signature_of(target).bind(**call.arguments)
    except TypeError as error:
        raise ConfigError(f'{call.place}: {target.__name__}: {error}.') from error
    for name, value in call.arguments.items():
        try:
            hint = hint_of(target, name)
        except ValueError as error:
            raise ConfigError(f'{call.place}.{name}: {error}') from error
        if not fits(value, hint):
            raise ConfigError(f'{call.place}.{name}: Expected {expected(hint)}, got '
                              f'{describe(value)}.')


# Third pass

def _built(node: Any) -> Any:
    """Return a tree with the result of each call in its place."""
    if isinstance(node, list):
        return [_built(one) for one in node]
    if isinstance(node, dict):
        return {name: _built(one) for name, one in node.items()}
    if not isinstance(node, Call):
        return node
    arguments = _built(node.arguments)
    try:
        return node.target(**arguments)
    except Exception as error:
        raise ConfigError(f'{node.key}: {one_line(error)}') from error
