"""The command ``nni-rankreg trial``: a trial of an NNI experiment."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nni

from .._util.error import brief
from ..config import ConfigError, build_search, check_search, read_config

__all__ = ['trial']


def trial(config: Path | None = None, trust: bool = False, top: int = 5) -> None:
    """Run a trial: a job of a search, or a one-shot search with the parameters of the trial.

    This is the trialCommand of an NNI experiment.

    Parameters
    ----------
    config
        search file of the one-shot search; a job of a search needs none
    trust
        allow the search file to name classes of any package; --trust alone allows it
    top
        of a one-shot search: how many of the best architectures are reported
    """
    from nni.nas.space import ExecutableModelSpace

    if top < 1:
        raise ConfigError(f'top: Expected at least 1, got {top}.')
    if config is None or trust:                # otherwise nothing is imported from there
        sys.path.append(os.getcwd())
    content = None if config is None else read_config(config, trust=trust)
    parameters = nni.get_next_parameter()
    if isinstance(parameters, ExecutableModelSpace):
        _execute(parameters)
    elif content is None:
        raise ConfigError('config: Expected a search file, as the parameters of the trial are no '
                          f'job of a search, got none. Parameters: {brief(parameters)}')
    else:
        _run_oneshot(content, parameters or {}, trust, top)


def _execute(job: Any) -> None:
    """Run a job; what it raises is for the search, which reads the error output of the trial."""
    try:
        job.execute()
    except Exception:
        traceback.print_exc()
        raise SystemExit(1) from None


def _run_oneshot(content: Mapping[str, Any], parameters: Mapping[str, Any], trust: bool, top: int
                 ) -> None:
    from ..host.run.distributed import is_first_process  # not above: torch takes seconds to import

    search = build_search(content, parameters, trust=trust)
    strategy = _oneshot(search.strategy)
    check_search(search)
    trained = strategy.train(search.space, search.evaluator)
    if not is_first_process():
        return
    best = trained.best(top)
    nni.report_final_result({**trained.metrics(), 'best': str(best[0] if best else None)})
    for one in best:
        print(f'{one.score:.6g} {dict(one)}')


def _oneshot(strategy: Any) -> Any:
    if not hasattr(strategy, 'train'):
        raise ConfigError('strategy.class_path: Expected a one-shot strategy for a single trial, '
                          f'got {type(strategy).__name__}; searches of several trials are tuners.')
    return strategy
