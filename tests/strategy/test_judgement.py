"""What is said of architectures: each source against its own computation, and their average."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from nni.mutable import Categorical
from scipy.stats import norm

from nni_rankreg.predictor import Ensemble, Evidence
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.strategy.judgement import Judgement, among_first
from nni_rankreg.typing import Results

SPACE = {f'x{index}': Categorical(range(4), label=f'x{index}') for index in range(4)}
SAMPLES = UniformSampler(SPACE).distinct(60)


def total(samples):
    return torch.tensor([float(sum(one.values())) for one in samples])


def first(samples):
    return torch.tensor([float(one['x0']) for one in samples])


def make():
    return Judgement(SPACE, Evidence(SPACE, scorers={'total': total, 'first': first}))


def naive(value, others):
    """The normal score of the share of others that are worse, ties by half."""
    worse = sum((one < value) + (one == value) / 2 for one in others)
    return norm.ppf((worse + .5) / (len(others) + 1))


def test_values_among_the_first():
    values = [3., 1., 2., 2., 9., math.nan]
    found = among_first(values, 3)
    assert found[:5] == pytest.approx([naive(one, values[:3]) for one in values[:5]])
    assert found[5] == pytest.approx(naive(-math.inf, values[:3]))


@pytest.mark.parametrize('known', [0, 1, 12])
def test_sources_and_their_average(known):
    """With results the predictor's word is averaged with the super-net's, else the vote is."""
    results = Results(SAMPLES[40:40 + known], total(SAMPLES[40:40 + known]).tolist(), 'max')
    supernet = np.random.default_rng(0).normal(size=20).tolist()
    judgement = make()
    said = judgement.of(SAMPLES[:20], supernet, 15, results)
    assert said['supernet'] == supernet
    features = judgement.evidence.features(SAMPLES[:20])
    for name, column in zip(('total', 'first', 'vote'), features.T):
        assert said[name] == column.tolist()
    other = said['vote']
    if known > 1:
        alone = Ensemble(SPACE, evidence=judgement.evidence).fit(*results[:2])
        scores = alone.score(SAMPLES[:20]).tolist()
        other = said['predictor']
        assert other == pytest.approx([naive(one, scores[:15]) for one in scores])
    else:
        assert 'predictor' not in said
    assert said['average'] == pytest.approx([
        (one + two) / 2 for one, two in zip(supernet, other)])


def test_a_share_is_promising():
    judgement = make()
    accept = judgement.promising(.25, SAMPLES)
    accepted = [one for one in SAMPLES if accept(one)]
    votes = judgement.evidence(SAMPLES).tolist()
    assert len(accepted) == pytest.approx(15, abs=3)       # ties
    worst = min(judgement.evidence(accepted).tolist())
    assert sum(one >= worst for one in votes) == len(accepted)
