"""The form of a search file, and the packages that it may name; nothing is imported here."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any

from .._util.error import brief, one_line
from .._util.import_path import check_import_path
from .._util.path import user_path
from .._util.yaml import read_yaml

__all__ = ['TRUSTED', 'TRUST', 'KEYS', 'ConfigError', 'read_config', 'load_yaml', 'placeholders',
           'check_path', 'children', 'is_placeholder']

TRUSTED = ('nni_rankreg', 'nni.nas.evaluator', 'nni.nas.hub', 'nni.nas.strategy', 'torch.nn',
           'torch.optim', 'torch.utils.data', 'torchvision.datasets', 'torchvision.transforms',
           'pytorch_lightning', 'torchmetrics')
"""Packages whose public classes and functions a search file may name; see `may_build`, too."""

TRUST = 'If you trust this file, say so: --trust, or trust: true of the tuner.'

KEYS = ('space', 'evaluator', 'strategy')


class ConfigError(ValueError):
    """A search file that cannot be used; the message begins with the key that is wrong."""


def read_config(path: str | os.PathLike[str], *, trust: bool = False) -> dict[str, Any]:
    """Return the content of a search file, checked without an import.

    Parameters
    ----------
    path
        A YAML file with the keys `space`, `evaluator` and `strategy`, see `read_yaml`.
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
        got = sorted(map(str, config)) if isinstance(config, dict) else config
        raise ConfigError(f'{path}: Expected the keys {", ".join(KEYS)}, got {brief(got)}.')
    for name in KEYS:
        if not isinstance(config[name], dict) or 'class_path' not in config[name]:
            raise ConfigError(f'{name}: Expected class_path and init_args, got '
                              f'{brief(config[name])}.')
    for key, node in _mappings(config):
        _check_mapping(key, node, trust)
    return config


def load_yaml(path: str | os.PathLike[str], what: str = 'YAML file', *, numbers: str = '1.2'
              ) -> Any:
    """Return what a YAML file holds, or raise ConfigError that `what` was expected."""
    try:
        return read_yaml(user_path(path), numbers=numbers)
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f'{path}: Expected a {what}, got: {one_line(error)}') from error


def placeholders(config: Any) -> dict[str, Any]:
    """Return the names of the trial's parameters that a file asks for, with their defaults.

    Examples
    --------
    >>> placeholders({'weight': {'parameter': 'lambda', 'default': 10.}})
    {'lambda': 10.0}
    """
    return {node['parameter']: node['default'] for _, node in _mappings(config)
            if is_placeholder(node)}


def _mappings(node: Any, key: str = '') -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield all mappings of a tree with their keys."""
    if isinstance(node, dict):
        yield key, node
    for name, child in children(node):
        yield from _mappings(child, f'{key}.{name}'.lstrip('.'))


def children(node: Any) -> Iterable[tuple[Any, Any]]:
    """Return what a mapping or a list of a tree holds, with its names or places."""
    if isinstance(node, dict):
        return node.items()
    return enumerate(node) if isinstance(node, list) else ()


def _check_mapping(key: str, node: dict[str, Any], trust: bool) -> None:
    if is_placeholder(node):
        if set(node) != {'parameter', 'default'} or not isinstance(node['parameter'], str):
            raise ConfigError(f'{key}: Expected parameter, a name, and default, got '
                              f'{brief(node)}.')
        if key.endswith('class_path'):
            check_path(f'{key}.default', node['default'], trust)
    if 'class_path' in node:
        if not set(node) <= {'class_path', 'init_args'}:
            raise ConfigError(f'{key}: Expected class_path and init_args only, got '
                              f'{brief(sorted(map(str, node)))}.')
        arguments = node.get('init_args') or {}
        if not isinstance(arguments, dict) or not all(isinstance(one, str) for one in arguments):
            raise ConfigError(f'{key}.init_args: Expected names with values, got '
                              f'{brief(arguments)}.')
        if not is_placeholder(node['class_path']):
            check_path(f'{key}.class_path', node['class_path'], trust)


def is_placeholder(node: Any) -> bool:
    """Return whether a parameter of the trial goes there."""
    return isinstance(node, dict) and 'parameter' in node


def check_path(key: str, path: Any, trust: bool) -> None:
    """Check that a class path is one, and a public one of a trusted package unless any is."""
    try:
        check_import_path(path)
    except ValueError as error:
        raise ConfigError(f'{key}: {error}') from error
    if trust:
        return
    if not any(path.startswith(f'{one}.') for one in TRUSTED):
        raise ConfigError(f'{key}: Expected a class of {", ".join(TRUSTED)}, got {brief(path)}. '
                          f'{TRUST}')
    if any(part.startswith('_') for part in path.split('.')):
        raise ConfigError(f'{key}: Expected a public class, got {brief(path)}. {TRUST}')
