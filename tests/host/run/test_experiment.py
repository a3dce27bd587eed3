"""The configuration of an experiment; `tests/integration/test_experiment.py` runs one."""

from __future__ import annotations

import pytest

from nni_rankreg.host.run.experiment import local_experiment
from nni_rankreg.space import NasBench201
from nni_rankreg.strategy import SPOS, LandmarkSearch


@pytest.mark.parametrize('mode, shown', [('min', 'minimize'), ('max', None)])
def test_web_ui_is_told_what_to_minimise(mode, shown, tmp_path):
    """The manager passes the configuration on, and the UI looks there."""
    search = LandmarkSearch(SPOS(), None, archive=tmp_path / 'a.sqlite', mode=mode)
    experiment = local_experiment(NasBench201(2, 1), None, search, folder=tmp_path / 'nni')
    tuner = experiment.config.canonical_copy().json().get('tuner')
    assert (tuner and tuner['classArgs']['optimize_mode']) == shown
