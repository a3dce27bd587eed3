"""Commands for searches under ``nnictl``: register, check, trial."""

from __future__ import annotations

import importlib
import inspect
import os
import shlex
import sys
import traceback
from pathlib import Path
from typing import Any, Mapping

import nni
import yaml
from nni.experiment.config import ExperimentConfig, utils

from .config import ConfigError, build_search, load_yaml, placeholders, read_config
from .host.registry import algorithm_path, register_algorithms, unregister_algorithms
from .host.tuner import PlanTuner, check_strategy

__all__ = ['register', 'check', 'trial']


def register(unregister: bool = False) -> None:
    """Make the searches known to NNI as tuners, so that nnictl finds them by name.

    It may be done again, for example after an update. NNI keeps a list for each environment.

    Parameters
    ----------
    unregister
        take them off NNI's list
    """
    text = Path(__file__).with_name('algorithm.yml').read_text(encoding='utf-8')
    algorithms = yaml.safe_load(text)['algorithms']
    path = (unregister_algorithms if unregister else register_algorithms)(algorithms)
    names = ', '.join(one['builtinName'] for one in algorithms)
    print(f'{names}: {"no longer on" if unregister else "on"} NNI\'s list {path}')


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


def trial(config: Path | None = None, trust: bool = False, top: int = 5) -> None:
    """Run a trial: a job of a search, or a one-shot search with the parameters of the trial.

    This is the trialCommand of an NNI experiment.

    Parameters
    ----------
    config
        search file of the one-shot search; a job of a search needs none
    trust
        allow the search file to name classes of any package
    top
        number of best architectures to report of a one-shot search
    """
    from nni.nas.space import ExecutableModelSpace

    sys.path.append(os.getcwd())
    content = None if config is None else read_config(config, trust=trust)
    parameters = nni.get_next_parameter()
    if isinstance(parameters, ExecutableModelSpace):
        _execute(parameters)
    elif content is None:
        raise ConfigError('config: Expected a search file, as the parameters of the trial are no '
                          f'job of a search, got none. Parameters: {parameters}')
    else:
        _run_oneshot(content, parameters or {}, top)


def _execute(job: Any) -> None:
    """Run a job; what it raises is for the search, which reads the error output of the trial."""
    try:
        job.execute()
    except Exception:
        traceback.print_exc()
        raise SystemExit(1)


def _run_oneshot(content: Mapping[str, Any], parameters: Mapping[str, Any], top: int) -> None:
    from .host.distributed import is_first_process  # not above: torch takes seconds to import

    search = build_search(content, parameters)
    supernet = _oneshot(search.strategy).train(search.space, search.evaluator)
    if not is_first_process():
        return
    metrics = supernet.history[-1] if supernet.history else search.strategy.measure()
    best = search.strategy.best(top)
    nni.report_final_result({**metrics, 'best': str(best[0] if best else None)})
    for one in best:
        print(f'{one.score:.6g} {dict(one)}')


def _oneshot(strategy: Any) -> Any:
    if not hasattr(strategy, 'train'):
        raise ConfigError('strategy.class_path: Expected a one-shot strategy for a single trial, '
                          f'got {type(strategy).__name__}; searches of several trials are tuners.')
    return strategy


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
    content = _check_search(folder / name, f'trialCommand: {name}', '--trust' in words, folder)
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
    module, _, attribute = path.rpartition('.')
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f'tuner.className: Expected a class, got {path}: {error}.') from error


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
    content = _check_search(folder / name, f'tuner.classArgs.config: {name}', trust, folder)
    check_strategy(content, tuner.strategy)


def _check_search(path: Path, key: str, trust: bool, folder: Path = Path()) -> dict[str, Any]:
    before = os.getcwd()
    try:
        content = read_config(path, trust=trust)
        os.chdir(folder)
        build_search(content)
    except ConfigError as error:
        raise ConfigError(f'{key}: {error}') from error
    finally:
        os.chdir(before)
    return content
