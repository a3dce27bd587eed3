"""NNI's assessors, which stop bad trials early; NNI 3.0 has none in a search of its own.

It starts assessors beside tuners only, and a search takes the place of the tuner.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import Any

import nni
from nni.__main__ import _create_algo
from nni.assessor import Assessor, AssessResult
from nni.experiment import rest
from nni.runtime.tuner_command_channel.command_type import CommandType, ReportMetricData, TrialEnd

__all__ = ['Judge', 'make_assessor']

_logger = logging.getLogger(__name__)


def make_assessor(experiment: Any) -> Assessor | None:
    """Return the assessor that the configuration of an experiment asks for, if any.

    Parameters
    ----------
    experiment
        NNI's binding of its manager.
    """
    profile = rest.get(experiment.port, '/experiment', experiment.url_prefix)
    config = profile['params'].get('assessor')
    return None if config is None else _create_algo(config, 'assessor')


class Judge:
    """Has an assessor judge trials by their intermediate results, and stops the bad ones.

    Parameters
    ----------
    assessor
        Of NNI, or of a user.
    channel
        Of the search to the manager.
    """

    def __init__(self, assessor: Assessor, channel: Any):
        self._assessor, self._channel = assessor, channel
        self._histories: defaultdict[str, list[Any]] = defaultdict(list)
        channel.on_trial_end(self._hear_end)

    def stops(self, report: ReportMetricData) -> bool:
        """Return whether the trial of an intermediate result is bad; then it is told to end."""
        trial = str(report.trial_job_id)
        history = self._histories[trial]
        history.append(report.value)
        try:
            good = AssessResult(self._assessor.assess_trial(trial, history))
        except Exception as error:  # in the thread that listens to the manager: it has to go on
            _logger.warning('The assessor cannot judge %s: %s', report.value, error)
            return False
        if good is AssessResult.Bad:
            self._channel._send(CommandType.KillTrialJob, nni.dump(trial))
        return good is AssessResult.Bad

    def _hear_end(self, end: TrialEnd) -> None:
        if self._histories.pop(end.trial_job_id, None) is not None:
            self._assessor.trial_end(end.trial_job_id, end.event == 'SUCCEEDED')
