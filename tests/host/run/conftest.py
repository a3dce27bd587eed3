"""A played NNI manager, which leaves hardly anything to wait for."""

from __future__ import annotations

import pytest
from helpers.manager import Manager

from nni_rankreg.host.run import submission


@pytest.fixture
def manager(monkeypatch):
    for name, seconds in (('_PERIOD', 0.02), ('_PATIENCE', 0.1), ('_QUIET', 0.2)):
        monkeypatch.setattr(submission, name, seconds)
    manager = Manager(monkeypatch)
    yield manager
    manager.hold.set()
    manager.commands.put(None)
    manager.engine.shutdown()


@pytest.fixture
def patient(manager, monkeypatch):
    """Wait longer for what is on its way, which matters to some tests on a busy machine."""
    monkeypatch.setattr(submission, '_PATIENCE', 1.)
