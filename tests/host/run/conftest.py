"""A played NNI manager."""

from __future__ import annotations

import pytest
from helpers.manager import Manager

from nni_rankreg.host.run import submission


@pytest.fixture
def manager(monkeypatch):
    monkeypatch.setattr(submission, '_PATIENCE', 1.)
    monkeypatch.setattr(submission, '_QUIET', 0.6)
    manager = Manager(monkeypatch)
    yield manager
    manager.hold.set()
    manager.commands.put(None)
    manager.engine.shutdown()
