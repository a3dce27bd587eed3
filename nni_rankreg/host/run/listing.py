"""The trials that NNI's manager knows."""

from __future__ import annotations

import json
from typing import Any

from nni.experiment import rest

__all__ = ['list_trials']


def list_trials(experiment: Any) -> list[dict[str, Any]]:
    """Return the trials in plain JSON, each with ``hyperParameters``: records of its parameters.

    NNI's own list cannot be read once somebody has added a trial in the web UI or by its REST
    interface, whose parameters have no index. They have no ``parameter_id``, either; such a record
    is left out.

    Parameters
    ----------
    experiment
        NNI's binding of its manager.
    """
    return [{**trial, 'hyperParameters': [
        record for record in map(json.loads, trial['hyperParameters'])
        if record['parameter_id'] is not None]}
        for trial in rest.get(experiment.port, '/trial-jobs', experiment.url_prefix)]
