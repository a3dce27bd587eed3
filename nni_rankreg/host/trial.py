"""Trials: the trial API of NNI inside a super-net's training, and what a failed one has said."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Iterator

import nni
import requests

__all__ = ['outside_trial', 'error_text']


@contextmanager
def outside_trial() -> Iterator[None]:
    """Make NNI's evaluators believe that no trial is running, so that they report nothing.

    They ask ``nni.get_current_parameter() is not None`` before they report.

    Examples
    --------
    >>> with outside_trial():
    ...     print(nni.get_current_parameter())
    None
    """
    parameters = nni.trial._params
    nni.trial._params = None
    try:
        yield
    finally:
        nni.trial._params = parameters


def error_text(experiment: Any, parameter_id: int | None) -> str:
    """Return the last lines of the error output of a failed trial.

    Parameters
    ----------
    experiment
        NNI's binding of its manager.
    parameter_id
        Of the parameters that the trial had.

    .. note:: The parameters of a failed trial may be listed as another's, see `EngineRunner.run`.
       Then the latest failed trial is the best guess.
    """
    try:
        trials = [one for one in experiment.list_trial_jobs() if one.status == 'FAILED']
        trials.reverse()
        trials.sort(key=lambda trial: all(one.parameter_id != parameter_id
                                          for one in trial.hyperParameters))
        for trial in trials:
            url = (f'http://localhost:{experiment.port}/api/v1/nni/trial-file/'
                   f'{trial.trialJobId}/stderr')
            response = requests.get(url, timeout=20)
            if response.ok and response.text.strip():
                return response.text[-4000:]
    except OSError as error:
        return f'Its error text cannot be read: {error}'
    return 'Its trial has ended without a final result.'
