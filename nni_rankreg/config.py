"""Search files: a space, an evaluator and a strategy by class path and arguments.

A file is read in two steps. `read_config` checks its form and that it names classes of trusted
packages only, and imports nothing; `build_search` imports, checks the arguments and builds::

    strategy:
      class_path: nni_rankreg.strategy.SPOS
      init_args:
        seed: {parameter: seed, default: 0}      # of the trial, in hyper-parameter experiments
"""

from __future__ import annotations

import importlib
import inspect
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

__all__ = ['ConfigError', 'Search', 'read_config', 'load_yaml', 'build_search', 'placeholders',
           'TRUSTED']

TRUSTED = ('nni_rankreg', 'nni.nas', 'torch.nn', 'torch.optim', 'torch.utils.data', 'torchvision',
           'pytorch_lightning', 'torchmetrics')
"""Packages whose classes and functions a search file may name."""

KEYS = ('space', 'evaluator', 'strategy')


class ConfigError(ValueError):
    """A search file that cannot be used; the message begins with the key that is wrong."""


class Search(NamedTuple):
    """What a search file describes."""

    space: Any
    evaluator: Any
    strategy: Any


def read_config(path: str | os.PathLike[str], *, trust: bool = False) -> dict[str, Any]:
    """Return the content of a search file, checked without an import.

    Parameters
    ----------
    path
        A YAML file with the keys `space`, `evaluator` and `strategy`.
    trust
        Whether class paths may lead to any package, not just those of `TRUSTED`.

    Raises
    ------
    ConfigError
        Naming the key.

    Examples
    --------
    >>> try:
    ...     read_config('none.yml')
    ... except ConfigError as error:
    ...     print(error)
    none.yml: Expected a search file, got: [Errno 2] No such file or directory: 'none.yml'
    """
    config = load_yaml(path, 'search file')
    if not isinstance(config, dict) or set(config) != set(KEYS):
        got = sorted(map(str, config)) if isinstance(config, dict) else type(config).__name__
        raise ConfigError(f'{path}: Expected the keys {", ".join(KEYS)}, got {got}.')
    for name in KEYS:
        if not isinstance(config[name], dict) or 'class_path' not in config[name]:
            raise ConfigError(f'{name}: Expected class_path and init_args, got {config[name]}.')
    for key, node in _nodes(config):
        _check_form(key, node, trust)
    return config


def load_yaml(path: str | os.PathLike[str], what: str = 'YAML file') -> Any:
    """Return what a YAML file holds, or raise ConfigError that `what` was expected."""
    try:
        return yaml.safe_load(Path(path).read_text(encoding='utf-8'))
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f'{path}: Expected a {what}, got: {_line(error)}') from error


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
    found = Search(*(_build(config[name], name, values or {}) for name in KEYS))
    from nni.nas.evaluator import Evaluator  # not above: torch takes seconds to import
    from nni.nas.nn.pytorch import ModelSpace
    from nni.nas.strategy.base import Strategy

    for name, value, kind in zip(KEYS, found, (ModelSpace, Evaluator, Strategy)):
        if not isinstance(value, kind):
            raise ConfigError(f'{name}.class_path: Expected NNI\'s {kind.__name__}, got a '
                              f'{type(value).__name__}.')
    return found


def placeholders(config: Any) -> dict[str, Any]:
    """Return the names of the trial's parameters that a file asks for, with their defaults.

    Examples
    --------
    >>> placeholders({'weight': {'parameter': 'lambda', 'default': 10.}})
    {'lambda': 10.0}
    """
    return {node['parameter']: node['default'] for _, node in _nodes(config)
            if 'parameter' in node}


def _nodes(node: Any, key: str = '', depth: int = 0) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield all mappings with their keys."""
    if depth > 50:                               # aliases of YAML may refer to what they are in
        raise ConfigError(f'{key[:80]}: Expected at most 50 levels, got more.')
    if isinstance(node, dict):
        yield key, node
    children = node.items() if isinstance(node, dict) else (
        enumerate(node) if isinstance(node, list) else ())
    for name, child in children:
        yield from _nodes(child, f'{key}.{name}'.lstrip('.'), depth + 1)


def _check_form(key: str, node: dict[str, Any], trust: bool) -> None:
    if 'parameter' in node:
        if set(node) != {'parameter', 'default'} or not isinstance(node['parameter'], str):
            raise ConfigError(f'{key}: Expected parameter, a name, and default, got {node}.')
        if key.endswith('class_path'):
            _check_path(f'{key}.default', node['default'], trust)
    if 'class_path' in node:
        if not set(node) <= {'class_path', 'init_args'}:
            raise ConfigError(f'{key}: Expected class_path and init_args only, got '
                              f'{sorted(map(str, node))}.')
        arguments = node.get('init_args') or {}
        if not isinstance(arguments, dict) or not all(isinstance(one, str) for one in arguments):
            raise ConfigError(f'{key}.init_args: Expected names with values, got {arguments}.')
        if not isinstance(node['class_path'], dict):
            _check_path(f'{key}.class_path', node['class_path'], trust)


def _check_path(key: str, path: Any, trust: bool) -> None:
    if (not isinstance(path, str) or '.' not in path
            or not all(part.isidentifier() for part in path.split('.'))):
        raise ConfigError(f'{key}: Expected an import path, package.Class, got {path!r}.')
    if not (trust or _is_trusted(path)):
        raise ConfigError(f'{key}: Expected a class of {", ".join(TRUSTED)}, got {path}. If you '
                          'trust this file, say so: --trust, or trust: true of the tuner.')


def _is_trusted(path: str) -> bool:
    return any(path == one or path.startswith(f'{one}.') for one in TRUSTED)


def _build(node: Any, key: str, parameters: Mapping[str, Any]) -> Any:
    if isinstance(node, list):
        return [_build(one, f'{key}.{index}', parameters) for index, one in enumerate(node)]
    if not isinstance(node, dict):
        return node
    if 'parameter' in node:
        return parameters.get(node['parameter'], node['default'])
    if 'class_path' not in node:
        return {name: _build(one, f'{key}.{name}', parameters) for name, one in node.items()}
    path = node['class_path']
    if isinstance(path, dict):                   # the value of a trial is as good as its default
        trust = not _is_trusted(str(path['default']))
        path = _build(path, key, parameters)
        _check_path(f'{key}.class_path', path, trust)
    target = _import(path, f'{key}.class_path')
    arguments = node.get('init_args') or {}
    built = {name: _build(one, f'{key}.init_args.{name}', parameters)
             for name, one in arguments.items()}
    _check_arguments(target, built, [name for name, one in arguments.items() if one != built[name]
                                     and not _is_placeholder(one)], key)
    try:
        return target(**built)
    except Exception as error:
        raise ConfigError(f'{key}: {_line(error)}') from error


def _is_placeholder(node: Any) -> bool:
    return isinstance(node, dict) and 'parameter' in node


def _import(path: str, key: str) -> Any:
    """Import a class or function; one of a trusted package is defined in one, not just named."""
    parts = path.split('.')
    for count in range(len(parts) - 1, 0, -1):
        try:
            target: Any = importlib.import_module('.'.join(parts[:count]))
        except ModuleNotFoundError:
            continue
        except Exception as error:
            raise ConfigError(f'{key}: Expected an import path, got {path}: {_line(error)}'
                              ) from error
        for name in parts[count:]:
            target = getattr(target, name, None)
        defined = str(getattr(target, '__module__', ''))
        if callable(target) and (_is_trusted(defined) or not _is_trusted(path)):
            return target
        break
    raise ConfigError(f'{key}: Expected the path of a class or function, got {path}.')


def _check_arguments(target: Any, arguments: Mapping[str, Any], built: Sequence[str],
                     key: str) -> None:
    """Check names and, of plain values, types; `built` were checked when they were built."""
    from jsonargparse import ArgumentParser

    original = getattr(target, '__wrapped__', target)       # what NNI has traced
    signature = inspect.signature(original)
    try:
        signature.bind(**arguments)
    except TypeError as error:
        raise ConfigError(f'{key}.init_args: {original.__name__}: {error}.') from error
    for name in [one for one in arguments if one not in built]:
        owner = _owner(original, name)
        if owner is None:
            continue
        names: set[str | int] = set(inspect.signature(owner).parameters)
        parser = ArgumentParser(exit_on_error=False)
        add = (parser.add_class_arguments if inspect.isclass(owner)
               else parser.add_function_arguments)
        add(owner, fail_untyped=False, skip=names - {name})
        try:
            parser.parse_object({name: arguments[name]})
        except Exception as error:
            reason = _line(error).removeprefix(f'Parser key "{name}": ')
            raise ConfigError(f'{key}.init_args.{name}: {reason}') from error


def _owner(target: Any, name: str) -> Any:
    """Return what declares an argument: a class takes those of its bases by ``**kwargs``."""
    for one in inspect.getmro(target) if inspect.isclass(target) else [target]:
        if name in inspect.signature(one).parameters:
            return one
    return None


def _line(error: BaseException) -> str:
    return ' '.join(str(error).split()) or type(error).__name__
