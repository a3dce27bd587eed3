"""The command ``nni-rankreg check``: a configuration is checked before it is run."""

from __future__ import annotations

import inspect
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nni.experiment.config import ExperimentConfig, utils

from .._util.import_path import import_object
from .._util.path import user_path
from ..config import ConfigError, build_search, load_yaml, placeholders, read_config
from ..host.run.registry import algorithm_path
from ..host.run.tuner import PlanTuner, check_strategy

__all__ = ['check']


def check(config: Path, trust: bool = False) -> None:
    """Check a configuration before it is run: that of an NNI experiment, or a search file.

    The search is built as it would be run, which creates its archive. `nnictl create` itself
    tells of a mistake in the log of the experiment only.

    Parameters
    ----------
    config
        the YAML file
    trust
        allow search files to name classes of any package
    """
    content = load_yaml(config)
    if isinstance(content, dict) and 'strategy' in content:
        _check_search(config, config.name, trust)
    else:
        _check_experiment(config, content)
    print(f'{config}: fine')


def _check_experiment(path: Path, content: Any) -> None:
    config = _host_config(path, content)
    folder = Path(config.trial_code_directory)
    sys.path.append(str(folder))
    arguments = config.tuner.class_args or {}
    tuner = _tuner_class(config.tuner)
    words = shlex.split(config.trial_command or '')
    if isinstance(tuner, type) and issubclass(tuner, PlanTuner):
        _check_plan(tuner, arguments, folder)
        if words[:2] != ['nni-rankreg', 'trial']:
            raise ConfigError('trialCommand: Expected nni-rankreg trial, got '
                              f'{config.trial_command}.')
    elif words[:2] == ['nni-rankreg', 'trial']:
        _check_trial(words, folder, config.search_space)


def _host_config(path: Path, content: Any) -> Any:
    """Return the configuration as NNI completes it; its paths begin at the folder of the file."""
    utils.set_base_path(path.absolute().parent)
    try:
        config = ExperimentConfig(**content)
        config.validate()
        return config.canonical_copy()
    except Exception as error:
        raise ConfigError(f'{path}: Expected a configuration of NNI, got: {type(error).__name__} '
                          f'{error}') from error
    finally:
        utils.unset_base_path()


def _check_trial(words: list[str], folder: Path, search_space: Any) -> None:
    """Check the search file that a trial of hyper-parameters is made with."""
    if '--config' not in words[:-1]:
        raise ConfigError('trialCommand: Expected nni-rankreg trial --config FILE with a tuner '
                          f'of hyper-parameters, got {" ".join(words)}.')
    name = words[words.index('--config') + 1]
    content = _check_search(name, f'trialCommand: {name}', '--trust' in words, folder)
    asked = placeholders(content)
    for one in sorted(set(search_space) ^ set(asked)):
        where = 'the search space only' if one in search_space else f'{name} only'
        raise ConfigError(f'searchSpace.{one}: Expected the parameters of {name}, '
                          f'{sorted(asked)}, got {one} in {where}.')


def _tuner_class(tuner: Any) -> Any:
    path, name = tuner.class_name, tuner.name
    if path is None:
        path = algorithm_path(name)
        if path is None:
            raise ConfigError(f'tuner.name: Expected a name that nnictl algo list shows, got '
                              f'{name}. Register ours: nni-rankreg register')
    try:
        return import_object(path, 'the path of a class')
    except ValueError as error:
        raise ConfigError(f'tuner.className: {error}') from error


def _check_plan(tuner: type[PlanTuner], arguments: Mapping[str, Any], folder: Path) -> None:
    try:
        inspect.signature(tuner).bind(**arguments)
    except TypeError as error:
        raise ConfigError(f'tuner.classArgs: Expected config and trust, got {dict(arguments)}: '
                          f'{error}.') from error
    name, trust = arguments['config'], arguments.get('trust', False)
    if not isinstance(name, str) or not isinstance(trust, bool):
        raise ConfigError('tuner.classArgs: Expected the path of a file and true or false, got '
                          f'{dict(arguments)}.')
    content = _check_search(name, f'tuner.classArgs.config: {name}', trust, folder)
    check_strategy(content, tuner.strategy)


def _check_search(path: str | Path, key: str, trust: bool,
                  folder: Path = Path()) -> dict[str, Any]:
    before = os.getcwd()
    try:
        content = read_config(folder / user_path(path), trust=trust)
        os.chdir(folder)
        build_search(content)
    except ConfigError as error:
        raise ConfigError(f'{key}: {error}') from error
    finally:
        os.chdir(before)
    return content
