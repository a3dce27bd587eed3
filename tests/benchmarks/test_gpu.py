"""The benchmark of tricks on a GPU: that its trainings run, on any device, and what it tells."""

from __future__ import annotations

import json

import pytest
import torch
from helpers.places import BENCHMARKS

from nni_rankreg.host.trial import outside_trial

DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'


@pytest.fixture
def gpu_speed(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import gpu_speed
    with outside_trial():  # an experiment of another test may have left its last one
        yield gpu_speed


@pytest.mark.parametrize('name', ['RandomOneShot', 'SPOS, all', 'landmarks, all, CUDA graphs'])
def test_a_contender(name, gpu_speed):
    seconds, memory = gpu_speed.measure(name, DEVICE, quick=True, seed=0)
    assert 0 < seconds < 60 and (memory > 0) is (DEVICE == 'cuda')


def test_table(gpu_speed, tmp_path):
    """A ratio is that of runs of the same repetition, which one that was interrupted lacks."""
    seconds = {'RandomOneShot': [.1, .2], 'SPOS, all': [.05, .05], 'landmarks, all': [.1]}
    (tmp_path / gpu_speed.FILE).write_text(json.dumps(
        {f'{name}, {seed}': [value, 1.5] for name, values in seconds.items()
         for seed, value in enumerate(values)}))
    table = gpu_speed.report(tmp_path / gpu_speed.FILE)
    rows = [[cell.strip() for cell in line.strip('|').split('|')] for line in table.splitlines()]
    assert rows[2:] == [
        ['RandomOneShot', '150.0', '6.7', '1.00 (1.00 .. 1.00)', 'RandomOneShot', '', '1.5'],
        ['SPOS, all', '50.0', '20.0', '0.38 (0.25 .. 0.50)', 'RandomOneShot', '1/3', '1.5'],
        ['landmarks, all', '100.0', '10.0', '2.00 (2.00 .. 2.00)', 'SPOS, all', '1.15', '1.5']]
