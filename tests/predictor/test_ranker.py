"""Tests of `nni_rankreg.predictor.ranker`."""

from __future__ import annotations

import copy
import math
import pickle

import numpy as np
import pytest
import torch

from nni_rankreg.loss import LambdaRankLoss, MeanSquaredLoss, RankNetLoss
from nni_rankreg.metric import kendall_tau, relevance
from nni_rankreg.predictor import Ranker, Training, standardize
from nni_rankreg.predictor.training import split_rows
from nni_rankreg.space import NasBench201
from nni_rankreg.space.nasbench201 import CHOICES

SPACE = NasBench201(4, 1, 10).simplify()
WORTH = {'none': -1., 'skip_connect': .5, 'conv_1x1': 1., 'conv_3x3': 2., 'avg_pool_3x3': 0.}
QUICK = dict(progress=False, hidden=16, embedding=32,
             pretraining=Training(15, 50, learning_rate=.005, weight_decay=0.),
             fitting=Training(20, 20, learning_rate=.005))


def draw(count, seed):
    generator = np.random.default_rng(seed)
    return [{label: str(generator.choice(list(CHOICES))) for label in SPACE} for _ in range(count)]


def worth(samples):
    return np.array([sum(map(WORTH.get, sample.values())) for sample in samples])


@pytest.fixture(scope='module')
def weak():
    samples = draw(600, seed=1)
    convs = [sum('conv' in name for name in sample.values()) for sample in samples]
    noise = np.random.default_rng(0).normal(size=600)
    return samples, {'accuracy': worth(samples) + noise, 'convs': 1e6 * np.array(convs)}


@pytest.fixture(scope='module')
def pretrained(weak):
    return Ranker(SPACE, **QUICK).pretrain(*weak)


@pytest.fixture(scope='module')
def few():
    samples = draw(40, seed=2)
    return samples, worth(samples)


@pytest.mark.parametrize('loss, target', [
    (None, None), (LambdaRankLoss(positions='published'), None), (RankNetLoss(), standardize),
    (MeanSquaredLoss(), standardize)])
def test_ranks_unseen_architectures(few, loss, target):
    ranker = Ranker(SPACE, loss=loss, target=target, **QUICK).fit(*few)
    unseen = draw(200, seed=3)
    assert kendall_tau(ranker(unseen), worth(unseen)) > .3


@pytest.mark.slow
def test_pretraining_helps(weak, few):
    """On average: a release of PyTorch draws other dropout, which is as much as another seed."""
    unseen, gains = draw(300, seed=3), []
    for seed in range(4):
        plain = Ranker(SPACE, seed=seed, **QUICK)
        helped = Ranker(SPACE, seed=seed, **QUICK).pretrain(*weak)
        before, after = (
            kendall_tau(ranker.fit(few[0][:15], few[1][:15])(unseen), worth(unseen))
            for ranker in (plain, helped))
        gains.append(after - before)
    assert np.mean(gains) > .1


@pytest.mark.slow
def test_same_seed_same_scores(pretrained, weak, few):
    expected = copy.deepcopy(pretrained).fit(*few).score(few[0])
    assert torch.equal(Ranker(SPACE, **QUICK).pretrain(*weak).fit(*few).score(few[0]), expected)
    other = Ranker(SPACE, seed=5, **QUICK).pretrain(*weak).fit(*few).score(few[0])
    assert not torch.equal(other, expected)


def test_global_generators_are_restored(few):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    Ranker(SPACE, **QUICK).fit(*few)
    assert torch.equal(torch.rand(3), expected)


def test_fit_forgets_the_last_fit(pretrained, few):
    other = draw(30, seed=9)
    fresh = copy.deepcopy(pretrained).fit(*few).score(other)
    again = copy.deepcopy(pretrained).fit(other, -worth(other)).fit(*few)
    assert torch.equal(again.score(other), fresh)


def test_head_is_transferred(pretrained):
    """Before anything is learnt, the ranker scores as the first weak head does."""
    samples = draw(20, seed=4)
    still = Training(1, learning_rate=0., weight_decay=0.)
    with torch.no_grad():
        weak = pretrained._weak_heads[0](pretrained._embedding(pretrained.encoder(samples)))
    with_head, without = copy.deepcopy(pretrained), copy.deepcopy(pretrained)
    with_head.fitting = without.fitting = still
    with_head.transfer_head = True
    scores = with_head.fit(samples, worth(samples)).score(samples)
    assert np.corrcoef(scores, weak)[0, 1] == pytest.approx(1)
    assert abs(np.corrcoef(without.fit(samples, worth(samples)).score(samples), weak)[0, 1]) < .9


def test_graphs_chunks_and_copies_score_alike(pretrained, few, monkeypatch):
    ranker = copy.deepcopy(pretrained).fit(*few)
    samples = draw(50, seed=6)
    scores = ranker.score(samples)
    assert scores.shape == (50,) and scores.dtype == torch.float64
    assert torch.equal(ranker.score(ranker.encoder(samples)), scores)
    assert torch.equal(pickle.loads(pickle.dumps(ranker)).score(samples), scores)
    monkeypatch.setattr('nni_rankreg.predictor.ranker._CHUNK', 7)
    torch.testing.assert_close(ranker.score(samples).float(), scores.float())
    assert ranker.score([]).shape == (0,)


def test_target_and_loss_see_what_they_should(few):
    seen = {}

    def target(metric):
        seen['metric'] = metric
        return relevance(metric, scale=3.)

    def loss(scores, targets, mask):
        seen.setdefault('targets', []).append(targets[mask])
        return scores.sum() * 0

    Ranker(SPACE, loss=loss, target=target, progress=False,
           fitting=Training(1, batch_size=15)).fit(*few)
    assert np.array_equal(seen['metric'], few[1])
    assert [len(one) for one in seen['targets']] == [15, 15, 10]
    expected = np.sort(relevance(few[1], scale=3.))
    np.testing.assert_allclose(np.sort(torch.cat(seen['targets'])), expected, rtol=1e-5)


def test_validation_chooses_the_best_epoch(few, capsys):
    """A learning rate that ruins the network: the first epochs must be the ones that are kept."""
    values = []

    def loss(scores, targets, mask):
        value = MeanSquaredLoss()(scores, targets, mask)
        if not torch.is_grad_enabled():
            values.append(value.item())
        return value

    fitting = Training(60, learning_rate=.1, validation=.25, patience=5)
    ranker = Ranker(SPACE, **{**QUICK, 'fitting': fitting}, loss=loss, target=standardize)
    ranker.fit(*few)
    best = int(np.argmin(values))
    assert len(values) == min(60, best + 6)
    assert capsys.readouterr().err == ''


def test_split_is_disjoint_and_complete():
    rows, held = split_rows(20, .25)
    assert len(held) == 5 and sorted([*rows.tolist(), *held.tolist()]) == list(range(20))
    assert len(split_rows(20, 0.)[1]) == 0


def test_no_order_changes_nothing_but_is_finite(pretrained):
    samples = draw(5, seed=1)
    ranker = copy.deepcopy(pretrained).fit(samples, [.5] * 5)
    assert ranker.score(samples).isfinite().all()


def test_progress_bars(few, capsys):
    Ranker(SPACE, **{**QUICK, 'progress': True}).fit(*few)
    assert 'Fitting' in capsys.readouterr().err


@pytest.mark.parametrize('call, error, message', [
    (lambda r, s: r.score(s), RuntimeError, 'a fitted ranker; call fit first'),
    (lambda r, s: r.fit(s, [1.]), ValueError, '5 values of metric, one for each .* got 1'),
    (lambda r, s: r.fit(s, [1., 2., 3., 4., math.nan]), ValueError, 'finite metric, got 1'),
    (lambda r, s: r.fit([], []), ValueError, 'at least one architecture, got none'),
    (lambda r, s: r.fit(s[:1], [1.]), ValueError, 'at least 2 architectures .* got 1'),
    (lambda r, s: r.pretrain(s, {}), ValueError, 'at least one weak label, got none'),
    (lambda r, s: r.pretrain(s, {'flops': [1.]}), ValueError, '5 values of flops'),
    (lambda r, s: Training(epochs=0), ValueError, 'epochs of at least 1, got 0'),
    (lambda r, s: Training(learning_rate=-1.), ValueError, 'learning_rate to be finite and >= 0'),
    (lambda r, s: Training(validation=1.), ValueError, r'validation share in \[0, 1\), got 1.0'),
])
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call(Ranker(SPACE, **QUICK), draw(5, seed=0))
