"""Fixtures of tests/ablation: data in the layout of the user's, but noise and a small table."""

from __future__ import annotations

import itertools
import json
import logging
import shutil

import numpy as np
import pytest
from helpers.cifar10 import write_montages

from nni_rankreg.cli import ablate as command
from nni_rankreg.cli import main
from nni_rankreg.space import NasBench201, encode_nasbench201
from nni_rankreg.space.nasbench201 import CHOICES

TINY = dict(pixels=8, images=64, channels=2, epochs=6, batch_size=16, landmarks=6, averaged=2,
            validation_images=16)


@pytest.fixture(scope='session')
def ablation_data(tmp_path_factory):
    """Return a folder with nb201.npz, 4 operations, and CIFAR-10's layout with images of noise."""
    folder = tmp_path_factory.mktemp('data')
    labels = list(NasBench201(2, 1).simplify())
    names = [name for name in CHOICES if name != 'none']
    samples = [dict(zip(labels, one)) for one in itertools.product(names, repeat=6)]
    random = np.random.default_rng(0)
    quality = [sum('conv' in name for name in one.values()) for one in samples]
    np.savez(folder / 'nb201.npz', arch=[encode_nasbench201(one).encode() for one in samples],
             **{column: 80 + np.array(quality) + random.normal(size=len(samples))
                for column in ('xvalid_c10_200', 'xtest_c10_200')})
    write_montages(folder / 'cifar10', random)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def ablation_log(monkeypatch):
    """Let a test write its log to its own output."""
    monkeypatch.setattr(logging.getLogger('nni_rankreg'), 'handlers', [])


@pytest.fixture
def run_ablation(ablation_data, ablation_log, monkeypatch):
    """Return a function that runs the command on 12 architectures and returns its results."""
    small = command.NASBENCH201._replace(scored=12)
    monkeypatch.setitem(command._PROBLEMS, 'nb201', small)

    def run(out, arms=('landmark',), seeds=1, *options, **overrides):
        assert main(['ablate', '--data', str(ablation_data), '--out', str(out), '--operations', '4',
                     '--seeds', str(seeds), '--arms', json.dumps(list(arms)), '--jobs', '1',
                     '--overrides', json.dumps({**TINY, **overrides}), *options]) == 0
        return {(one['arm'], one['seed']): one for one in
                (json.loads(path.read_text()) for path in out.glob('*.json'))}
    return run
