"""Why a trial has failed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests

from ...plan import Failure
from .error_output import CRASH, error_of, without_noise
from .listing import list_trials

__all__ = ['failure_of']

_ENDS = {
    'EARLY_STOPPED': ('It took longer than max_trial_duration.', 2),
    'SYS_CANCELED': ('It was killed by {}, perhaps for want of memory.', 4),
    'USER_CANCELED': ('It was killed: by a user, a signal, for want of memory, or by time.', 2),
}
"""State of a trial that was ended -> by whom, and how often its job is tried in all.

That of a user may be any of these unless `manager.js` tells them apart."""

_CRASHES = ('SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGILL', 'SIGSEGV')

_NO_RESULT = 'Its trial has ended without a final result.'


def failure_of(experiment: Any, parameter_id: int | None) -> Failure:
    """Return what a trial has failed by: the last lines of its error output, or who has ended it.

    Parameters
    ----------
    experiment
        NNI's binding of its manager.
    parameter_id
        Of the parameters that the trial had.

    .. note:: The parameters of a failed trial may be listed as another's, see `TrialAdapter`.
       Then the latest failed trial is the best guess.
    """
    try:
        trials = list_trials(experiment)
        own = next((one for one in trials if _has(one, parameter_id)), None)
        if own is not None and own['status'] in _ENDS:
            return _ended(own, _error_output(experiment, own))
        failed = [one for one in reversed(trials) if one['status'] == 'FAILED']
        for trial in sorted(failed, key=lambda one: not _has(one, parameter_id)):
            text = _error_output(experiment, trial)
            if text or _has(trial, parameter_id):
                return Failure(text or _NO_RESULT)
    except OSError as error:
        return Failure(f'Its error text cannot be read: {error}')
    return Failure(_NO_RESULT)


def _ended(trial: Mapping[str, Any], text: str) -> Failure:
    """Return the failure of a trial that was ended, and has left a text."""
    if CRASH in text:
        return Failure(text)
    reason, tries = _ENDS[trial['status']]
    signal = trial.get('message') or 'a signal'        # which `manager.js` keeps
    if signal in _CRASHES:
        reason, tries = 'It was killed by {}.', 2
    return Failure(f'{text}\n{reason.format(signal)}'.strip(), tries)


def _has(trial: Mapping[str, Any], parameter_id: int | None) -> bool:
    return any(one['parameter_id'] == parameter_id for one in trial['hyperParameters'])


def _error_output(experiment: Any, trial: Mapping[str, Any]) -> str:
    """Return the error of a trial, its message last, or what else it has said and its status."""
    url = (f'http://localhost:{experiment.port}/api/v1/nni/trial-file/'
           f'{trial["trialJobId"]}/stderr')
    response = requests.get(url, timeout=20)
    log = response.text if response.ok else ''
    status = trial.get('message') or ''                # which `manager.js` keeps, too
    end = f'Its trial has ended with {status}.' if status.startswith('exit status') else ''
    return error_of(log) or f'{without_noise(log)}\n{end}'.strip()
