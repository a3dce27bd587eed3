"""Tests of `nni_rankreg.predictor.evidence`."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from nni.mutable import Categorical
from scipy import stats

from nni_rankreg.archive import Archive
from nni_rankreg.predictor import ChoiceEncoder, Description, Evidence, EvidenceEncoder
from nni_rankreg.proxy import ProxyScorer
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.space import NasBench201
from nni_rankreg.typing import sample_key

SPACE = {f'x{i}': Categorical(list(range(5)), label=f'x{i}') for i in range(4)}


def total(samples):
    return torch.tensor([float(sum(sample.values())) for sample in samples])


def first(samples):
    return torch.tensor([float(sample['x0']) for sample in samples])


def holes(samples):
    return torch.tensor([math.nan if sample['x1'] == 0 else math.inf if sample['x1'] == 1
                         else -float(sample['x2']) for sample in samples])


SCORERS = {'total': total, 'first': first, 'holes': holes}


@pytest.fixture(scope='module')
def evidence():
    return Evidence(SPACE, scorers=SCORERS, reference=200, seed=3)


@pytest.fixture(scope='module')
def samples():
    return UniformSampler(SPACE, seed=9).distinct(150)


def naive_rank(score, reference):
    """Return the rank by counting, one architecture at a time."""
    score = score if math.isfinite(score) else -math.inf
    others = [one if math.isfinite(one) else -math.inf for one in reference]
    below, equal = sum(one < score for one in others), sum(one == score for one in others)
    return (below + equal / 2 + .5) / (len(others) + 1)


def test_ranks_count_the_reference(evidence, samples):
    reference = UniformSampler(SPACE, seed=3).distinct(200)
    expected = np.transpose([
        [naive_rank(score, scorer(reference).tolist()) for score in scorer(samples).tolist()]
        for scorer in SCORERS.values()])
    np.testing.assert_allclose(evidence.ranks(samples), expected, rtol=0, atol=1e-12)
    assert evidence.names == list(SCORERS)


def test_what_is_not_finite_is_the_worst(evidence, samples):
    ranks = evidence.ranks(samples)[:, 2]
    bad = torch.tensor([sample['x1'] < 2 for sample in samples])
    assert ranks[bad].unique().numel() == 1 and ranks[bad][0] < ranks[~bad].min()


def test_vote_is_the_sum_of_logarithms(evidence, samples):
    ranks = evidence.ranks(samples).numpy()
    np.testing.assert_allclose(evidence(samples), [sum(map(math.log, row)) for row in ranks])


def test_features_are_normal_scores(evidence, samples):
    features = evidence.features(samples).numpy()
    assert features.shape == (150, 4) and features.dtype == np.float32
    np.testing.assert_allclose(features[:, :3], stats.norm.ppf(evidence.ranks(samples)), rtol=1e-5)
    assert stats.spearmanr(features[:, 3], evidence(samples)).statistic > .999


def test_no_architecture_is_scored_twice(samples):
    asked = []

    def counting(batch):
        asked.extend(map(sample_key, batch))
        return total(batch)
    evidence = Evidence(SPACE, scorers=[counting], reference=50)
    evidence.ranks(samples)
    evidence.vote(samples)
    evidence.features(samples)
    assert len(asked) == len(set(asked))


def test_small_space_is_its_own_reference():
    small = {'x0': Categorical([0, 1, 2], label='x0')}
    ranks = Evidence(small, scorers=[first], reference=1000).ranks([{'x0': i} for i in range(3)])
    assert ranks[:, 0].tolist() == [.25, .5, .75]


def test_only_what_counts_is_the_reference():
    evidence = Evidence(SPACE, scorers=[first], reference=1000,
                        accept=lambda sample: sample['x0'] > 2)
    assert evidence.ranks([{f'x{i}': 0 for i in range(4)}]).item() < 1 / 250


def test_proxies_by_name_are_kept_in_an_archive(tmp_path):
    space = NasBench201(4, 1, 10)
    batch = torch.rand(4, 3, 8, 8), torch.arange(4)
    samples = UniformSampler(space, seed=1).distinct(6)
    names = ['flops', 'naswot']
    archive = Archive(tmp_path / 'x.sqlite')
    evidence = Evidence(space, batch, names, reference=samples, progress=False).kept_in(archive)
    features = evidence.features(samples)
    for name in names:
        scorer = ProxyScorer(name, space, batch, cache=archive)
        assert archive.scores(scorer.key).keys() == set(map(sample_key, samples))
    again = Evidence(space, batch, names, reference=samples, cache=archive, processes=2,
                     progress=False)
    assert evidence.dear and again.kept_in(Archive(tmp_path / 'y.sqlite')) is again
    assert torch.equal(again.features(samples), features)


def test_processes_score_the_same(tmp_path):
    space, batch = NasBench201(4, 1, 10), (torch.rand(4, 3, 8, 8), torch.arange(4))
    samples = UniformSampler(space, seed=1).distinct(5)
    archive = Archive(tmp_path / 'x.sqlite')
    scorer = ProxyScorer('synflow', space, batch, processes=2, cache=archive)
    expected = ProxyScorer('synflow', space, batch)(samples)
    assert torch.equal(scorer(samples), expected)
    assert sorted(archive.scores(scorer.key).values()) == sorted(expected.tolist())


def test_seconds_are_announced(caplog):
    caplog.set_level('INFO')
    evidence = Evidence(SPACE, scorers=[first], reference=10)
    evidence.seconds['first'] = 9.
    evidence.ranks(UniformSampler(SPACE, seed=5).distinct(30))
    assert 'architectures by first takes about' in caplog.text


def test_encoder_with_evidence(evidence, samples):
    encoder = ChoiceEncoder(SPACE)
    graphs = EvidenceEncoder(encoder, evidence)(samples)
    assert torch.equal(graphs.extras, evidence.features(samples))
    assert torch.equal(graphs.features, encoder(samples).features)


@pytest.mark.parametrize('arguments, message', [
    (dict(scorers=[]), 'at least one scorer'),
    (dict(scorers=[first, first]), 'different names'),
    (dict(scorers=['synflow']), 'a batch of images and labels for the proxy synflow'),
    (dict(scorers=[first], reference=1), 'at least 2 architectures as reference, got 1')])
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        Evidence(SPACE, **arguments).ranks([])


def test_a_description_scales_by_the_same_architectures(samples):
    """A dear scorer meets no others, as it would if these were drawn anew."""
    met = set()

    def scorer(asked):
        met.update(map(sample_key, asked))
        return total(asked)

    evidence = Evidence(SPACE, scorers=[scorer], reference=4, seed=3)
    Description(SPACE, evidence=evidence)(samples[:1])
    assert met == set(map(sample_key, [*evidence.among, samples[0]]))
