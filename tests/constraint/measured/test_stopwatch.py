"""Calls are timed by a clock that tests turn on by hand."""

from __future__ import annotations

import time

import pytest
import torch

from nni_rankreg.constraint.measured.stopwatch import Stopwatch


@pytest.mark.parametrize('seconds, calls', [(0.08, 2), (0.002, 2), (1e-3, 12), (1e-5, 1002)])
def test_a_call_is_warmed_up_and_a_short_one_timed_in_blocks(monkeypatch, seconds, calls):
    """The first call takes ten times as long, some others twice, as what else runs makes them."""
    now, made = [0.], []

    def run():
        made.append(torch.get_num_threads())
        slow = 10 if len(made) == 1 else 2 if len(made) == calls else 1
        now[0] += slow * seconds

    monkeypatch.setattr(time, 'thread_time', lambda: now[0])
    found = Stopwatch(torch.device('cpu'), 1)(run)
    assert found == pytest.approx(1e3 * seconds * (2 if calls == 2 else 1))
    assert len(made) == calls and set(made) == {1}


def test_several_threads_are_timed_by_the_clock_on_the_wall():
    threads, before = [], torch.get_num_threads()
    stopwatch = Stopwatch(torch.device('cpu'), 3)
    assert stopwatch(lambda: threads.append(torch.get_num_threads())) > 0
    assert set(threads) == {3} and stopwatch.clock == 'wall clock'
    assert torch.get_num_threads() == before
