"""Archives that trust the disk: nothing loses its power supply; test_archive.py sees to that."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from nni_rankreg.archive import sqlite


@contextmanager
def no_waiting_for_the_disk():
    """Let archives write without waiting for the disk."""
    connect = sqlite._connect

    def fast(path, mode):
        connection = connect(path, mode)
        connection.execute('PRAGMA synchronous = OFF')
        return connection

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite, '_connect', fast)
        yield
