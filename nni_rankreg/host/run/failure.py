"""What a failed trial has said."""

from __future__ import annotations

from typing import Any

import requests

__all__ = ['error_text']


def error_text(experiment: Any, parameter_id: int | None) -> str:
    """Return the last lines of the error output of a failed trial.

    Parameters
    ----------
    experiment
        NNI's binding of its manager.
    parameter_id
        Of the parameters that the trial had.

    .. note:: The parameters of a failed trial may be listed as another's, see `Submission`.
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
