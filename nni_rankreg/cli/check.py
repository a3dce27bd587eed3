"""The command ``nni-rankreg check``: a configuration is checked before it is run."""

from __future__ import annotations

import inspect
import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nni.experiment.config import ExperimentConfig, utils

from .._util.error import brief, one_line
from .._util.import_path import import_object
from .._util.path import user_path
from ..config import (
    ConfigError,
    build_search,
    check_search,
    check_values,
    load_yaml,
    placeholders,
    read_config,
)
from ..host.run.registry import algorithm_path
from ..host.run.tuner import PlanTuner, check_strategy

__all__ = ['check']

_TUNERS = 'nni_rankreg.tuner'


def check(config: Path, trust: bool = False) -> None:
    """Check a configuration before it is run: that of an NNI experiment, or a search file.

    The search is built as it would be run, which creates its archive. `nnictl create` itself
    tells of a mistake in the log of the experiment only. Without --trust, files from elsewhere can
    be checked: nothing is imported from their folder.

    Parameters
    ----------
    config
        the YAML file
    trust
        allow files to name classes of any package, and of this folder; --trust alone allows it
    """
    content = load_yaml(config, numbers='1.1')         # as NNI reads that of an experiment
    if isinstance(content, dict) and 'strategy' in content:
        _check_search(config, config.name, trust, Path())
    else:
        _check_experiment(config, content, trust)
    print(f'{config}: fine')


def _check_experiment(path: Path, content: Any, trust: bool) -> None:
    config = _host_config(path, content)
    folder = Path(config.trial_code_directory)
    arguments = config.tuner.class_args or {}
    tuner = _tuner_class(config.tuner, folder, trust)
    words = shlex.split(config.trial_command or '')
    if isinstance(tuner, type) and issubclass(tuner, PlanTuner):
        _check_plan(tuner, arguments, folder, trust)
        if words[:2] != ['nni-rankreg', 'trial']:
            raise ConfigError('trialCommand: Expected nni-rankreg trial, got '
                              f'{config.trial_command}.')
    elif words[:2] == ['nni-rankreg', 'trial']:
        _check_trial(words, folder, config.search_space, trust)


def _host_config(path: Path, content: Any) -> Any:
    """Return the configuration as NNI completes it; its paths begin at the folder of the file."""
    utils.set_base_path(path.absolute().parent)
    try:
        config = ExperimentConfig(**content)
        config.validate()
        return config.canonical_copy()
    except Exception as error:
        raise ConfigError(f'{path}: Expected a configuration of NNI, got: {type(error).__name__} '
                          f'{one_line(error)}') from error
    finally:
        utils.unset_base_path()


def _check_trial(words: list[str], folder: Path, search_space: Any, trust: bool) -> None:
    """Check the search file that a trial of hyper-parameters is made with."""
    if '--config' not in words[:-1]:
        raise ConfigError('trialCommand: Expected nni-rankreg trial --config FILE with a tuner '
                          f'of hyper-parameters, got {" ".join(words)}.')
    name = words[words.index('--config') + 1]
    trust = _granted('--trust' in words, trust, 'trialCommand')
    content = _check_search(name, f'trialCommand: {name}', trust, folder)
    asked = placeholders(content)
    if not isinstance(search_space, dict) or not all(map(_is_drawn, search_space.values())):
        raise ConfigError('searchSpace: Expected the parameters of the trial, each with _type and '
                          f'a list as _value, got {brief(search_space)}.')
    for one in sorted(set(search_space) ^ set(asked)):
        where = 'the search space only' if one in search_space else f'{name} only'
        raise ConfigError(f'searchSpace.{one}: Expected the parameters of {name}, '
                          f'{brief(sorted(asked))}, got {one} in {where}.')
    for one, value in _choices(search_space):
        try:
            check_values(content, {one: value}, trust=trust)
        except ConfigError as error:
            raise ConfigError(f'searchSpace.{one}: {error}') from error


def _is_drawn(one: Any) -> bool:
    return (isinstance(one, dict) and isinstance(one.get('_type'), str)
            and isinstance(one.get('_value'), list))


def _choices(search_space: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield what a search space lists, each with the name of its parameter."""
    for name, one in search_space.items():
        for value in one['_value'] if one['_type'] == 'choice' else []:
            yield name, value


def _tuner_class(tuner: Any, folder: Path, trust: bool) -> Any:
    """Return the class of a tuner, or None if it is not ours, which only a trusted file imports."""
    path = tuner.class_name or algorithm_path(tuner.name)
    if path is None:
        raise ConfigError(f'tuner.name: Expected a name that nnictl algo list shows, got '
                          f'{brief(tuner.name)}. Register ours: nni-rankreg register')
    if trust:
        sys.path.append(str(folder))
    elif path.rpartition('.')[0] != _TUNERS:
        if tuner.class_name is None:           # on the list of this environment
            return None
        raise ConfigError(f'tuner.className: Expected one of {_TUNERS}, got {brief(path)}. If you '
                          'trust this file, say so: --trust')
    try:
        return import_object(path, 'the path of a class')
    except ValueError as error:
        raise ConfigError(f'tuner.className: {error}') from error


def _check_plan(tuner: type[PlanTuner], arguments: Mapping[str, Any], folder: Path, trust: bool
                ) -> None:
    try:
        inspect.signature(tuner).bind(**arguments)
    except TypeError as error:
        raise ConfigError(f'tuner.classArgs: Expected config and trust, got '
                          f'{brief(dict(arguments))}: {error}.') from error
    name, asked = arguments['config'], arguments.get('trust', False)
    if not isinstance(name, str) or not isinstance(asked, bool):
        raise ConfigError('tuner.classArgs: Expected the path of a file and true or false, got '
                          f'{brief(dict(arguments))}.')
    content = _check_search(name, f'tuner.classArgs.config: {name}',
                            _granted(asked, trust, 'tuner.classArgs.trust'), folder)
    check_strategy(content, tuner.strategy)


def _granted(asked: bool, trust: bool, key: str) -> bool:
    """Return whether a search file is trusted: a file cannot say so of another by itself."""
    if asked and not trust:
        raise ConfigError(f'{key}: Expected --trust of this command, too, got none. The file asks '
                          'for code of any package, or of its folder.')
    return asked


def _check_search(path: str | Path, key: str, trust: bool, folder: Path) -> dict[str, Any]:
    before = os.getcwd()
    try:
        content = read_config(folder / user_path(path), trust=trust)
        os.chdir(folder)
        check_search(build_search(content, trust=trust))
    except ConfigError as error:
        raise ConfigError(f'{key}: {error}') from error
    finally:
        os.chdir(before)
    return content
