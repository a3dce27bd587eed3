"""The published scores as evidence, and what is taught from them and the landmarks."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from nni_rankreg.ablation.arms import Inputs, learned
from nni_rankreg.ablation.evidence import published_evidence
from nni_rankreg.ablation.nasbench101 import NASBENCH101
from nni_rankreg.predictor.evidence import PROXIES
from nni_rankreg.space import NasBench201, encode_nasbench201
from nni_rankreg.typing import Results

SPACE = NasBench201(2, 1, 10)
CHOICES = {label: leaf.values for label, leaf in SPACE.simplify().items()}
SAMPLES = [dict(zip(CHOICES, names)) for names in itertools.product(*CHOICES.values())]


@pytest.fixture(scope='module')
def published(tmp_path_factory):
    """Return a folder with scores of cells: the number of convolutions, of those that have some."""
    folder = tmp_path_factory.mktemp('published')
    scores = np.array([convolutions(one) or math.nan for one in SAMPLES])
    np.savez(folder / 'zc_nb201_cifar10_full.npz',
             arch=[encode_nasbench201(one).encode() for one in SAMPLES],
             **{name: scores * factor for factor, name in enumerate(PROXIES, 1)})
    return folder


def convolutions(sample):
    return float(sum('conv' in name for name in sample.values()))


def test_ranks_are_those_of_the_published_scores(published):
    evidence = published_evidence(published, SPACE)
    assert evidence.names == list(PROXIES) and len(evidence.among) == 1000
    median = np.median([one for one in map(convolutions, SAMPLES) if one])
    among = np.array([convolutions(one) or median for one in evidence.among])
    asked = SAMPLES[::31]
    scores = [convolutions(one) or median for one in asked]
    expected = [((among < one).sum() + (among == one).sum() / 2 + .5) / 1001 for one in scores]
    assert_allclose(evidence.ranks(asked), np.tile(expected, (len(PROXIES), 1)).T)
    assert not all(map(convolutions, asked))


def test_a_table_without_them_is_refused(tmp_path):
    np.savez(tmp_path / 'zc_nb201_cifar10_full.npz', arch=[b'x'])
    with pytest.raises(ValueError, match='Expected the arrays'):
        published_evidence(tmp_path, SPACE)


def test_other_spaces_are_refused():
    with pytest.raises(ValueError, match='learned teacher with NAS-Bench-201, got another space'):
        learned(Inputs(NASBENCH101.small, 0, Results([], []), None, (), Path(), Path()))


@pytest.mark.slow
def test_a_supernet_is_taught_by_landmarks_and_published_scores(published, ablation_data,
                                                                run_ablation, tmp_path):
    (ablation_data / 'zc_nb201_cifar10_full.npz').write_bytes(
        (published / 'zc_nb201_cifar10_full.npz').read_bytes())
    arm = 'landmark + learned teacher, all pairs of 4'
    (_, result), = run_ablation(tmp_path / 'runs', [arm], weight=100.).items()
    assert result['arm'] == arm and result['active'] > 0 and result['cpu_seconds'] > 0
