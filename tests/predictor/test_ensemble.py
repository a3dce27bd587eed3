"""Tests of `nni_rankreg.predictor.ensemble`, `average`, `description`, `gaussian_process`."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import norm, rankdata
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from nni_rankreg.metric import kendall_tau
from nni_rankreg.predictor import (
    Description,
    Ensemble,
    Evidence,
    GaussianProcess,
    Prediction,
    RankAverage,
    Training,
    default_encoder,
    structure_features,
)
from nni_rankreg.predictor.ranker import Ranker
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.space import NasBench201

SPACE = NasBench201(4, 1, 10).simplify()
WORTH = {'none': -1., 'skip_connect': .5, 'conv_1x1': 1., 'conv_3x3': 2., 'avg_pool_3x3': 0.}
FEW = UniformSampler(SPACE, seed=0).distinct(40)
UNSEEN = UniformSampler(SPACE, seed=1).distinct(200)


def worth(samples):
    return np.array([sum(map(WORTH.get, sample.values())) for sample in samples])


def noisy(samples):
    noise = np.random.default_rng(0).normal(size=len(samples))
    return torch.from_numpy(worth(samples) + noise)


class Fixed:
    """A predictor that has learnt nothing but what it is given."""

    def __init__(self, mean, spread):
        self.mean, self.spread = mean, spread

    def fit(self, samples, metric):
        return self

    def predict(self, samples):
        return Prediction(torch.tensor([self.mean(one) for one in samples]).double(),
                          torch.full((len(samples),), self.spread).double())


def number(sample):
    return float(sum(len(choice) for choice in sample.values()))


# The ensemble

def test_mean_and_spread_are_those_of_a_mixture():
    """The law of total variance, in the unit of each member over the reference."""
    members = {'first': Fixed(number, 2.), 'second': Fixed(lambda one: -.1 * number(one), .5)}
    ensemble = Ensemble(SPACE, members=members).fit(FEW, worth(FEW))
    values = np.array([number(one) for one in ensemble.description.reference])
    center, deviation = values.mean(), values.std(ddof=1)
    mean, spread = ensemble.predict(UNSEEN[:9])
    for row, one in enumerate(UNSEEN[:9]):
        first = (number(one) - center) / deviation
        draws = np.random.default_rng(row).normal(
            [first, -first], [2. / deviation, .5 / (.1 * deviation)], (200_000, 2)).ravel()
        assert mean[row] == pytest.approx(0, abs=1e-6)
        assert spread[row] == pytest.approx(draws.std(), rel=.01)


def test_a_member_that_knows_nothing_has_no_say():
    members = {'process': GaussianProcess(SPACE), 'constant': Fixed(lambda one: 3., 0.)}
    ensemble = Ensemble(SPACE, members=members).fit(FEW, worth(FEW))
    alone = Ensemble(SPACE, members={'process': members['process']}).fit(FEW, worth(FEW))
    torch.testing.assert_close(ensemble(UNSEEN), alone(UNSEEN) / 2)


def test_two_are_better_than_one():
    truth = worth(UNSEEN)
    ensemble = Ensemble(SPACE).fit(FEW, worth(FEW))
    found = [kendall_tau(member.predict(UNSEEN).mean, truth)
             for member in ensemble.members.values()]
    assert kendall_tau(ensemble(UNSEEN), truth) > min(found)


def test_weak_labels_add_a_ranker():
    ensemble = Ensemble(SPACE, progress=False)
    weak = {'accuracy': noisy(UNSEEN).numpy()}
    training = Training(10, 50, learning_rate=.005, weight_decay=0.)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ranker, 'PRETRAINING', training)
        patch.setattr(Ranker, 'FITTING', training)
        ensemble.pretrain(UNSEEN, weak).fit(FEW, worth(FEW))
    assert list(ensemble.members) == ['process', 'trees', 'ranker']
    assert ensemble.predict(UNSEEN).mean.isfinite().all()


def test_none_is_an_error():
    with pytest.raises(ValueError, match='at least one predictor'):
        Ensemble(SPACE, members={})


# The Gaussian process

def test_process_is_that_of_scikit_learn():
    description = Description(SPACE)
    seen, unseen = description(FEW), description(UNSEEN)
    root = math.sqrt(seen.shape[1])
    kernel = (ConstantKernel() * Matern(root, (root, 1e4), nu=2.5)
              + WhiteKernel(.1, (1e-4, 1.)))
    scores = norm.ppf((rankdata(worth(FEW)) - .5) / 40)
    expected = GaussianProcessRegressor(kernel, normalize_y=True).fit(seen, scores).predict(
        unseen, return_std=True)
    mean, spread = GaussianProcess(SPACE).fit(FEW, worth(FEW)).predict(UNSEEN)
    np.testing.assert_allclose(mean, expected[0], rtol=0, atol=1e-9)
    np.testing.assert_allclose(spread, expected[1], rtol=0, atol=1e-9)
    assert kendall_tau(mean, worth(UNSEEN)) > .6


def test_process_does_not_only_remember():
    """The likeliest length of the best results alone is often too short to say anything of others.

    With a length of any size the mean of these correlations is -0.11.
    """
    taus = []
    for seed in range(8):
        samples = UniformSampler(SPACE, seed=seed).distinct(400)
        metric = worth(samples) + np.random.default_rng(seed).normal(size=400)
        order = np.argsort(-metric)
        best, others = ([samples[row] for row in rows] for rows in (order[:20], order[20:]))
        process = GaussianProcess(SPACE).fit(best, metric[order[:20]])
        taus.append(kendall_tau(process.score(others), worth(others)))
    assert np.mean(taus) > .05


def test_process_expects_what_is_proportional_to_the_vote():
    """The posterior by hand, at the likeliest parameters."""
    evidence = Evidence(SPACE, scorers={'worth': noisy}, reference=FEW)
    process = GaussianProcess(SPACE, description=Description(SPACE, evidence=evidence))
    mean, spread = process.fit(FEW, worth(FEW)).predict(UNSEEN)
    fitted = process._model.kernel_.get_params()
    smooth, length = fitted['k1__k1__k1__constant_value'], fitted['k1__k1__k2__length_scale']
    linear, noise = fitted['k2__k1__constant_value'], fitted['k1__k2__noise_level']
    x, other = process._features(FEW), process._features(UNSEEN)
    np.testing.assert_allclose(x[:, -1], evidence.features(FEW)[:, -1])

    def covariance(one, two):
        d = math.sqrt(5) * np.linalg.norm(one[:, None] - two, axis=2) / length
        return (smooth * (1 + d + d ** 2 / 3) * np.exp(-d)
                + linear * (1 + one[:, None, -1] * two[:, -1]))
    scores = norm.ppf((rankdata(worth(FEW)) - .5) / 40)
    inverse = np.linalg.inv(covariance(x, x) + noise * np.eye(40))
    expected = covariance(other, x) @ inverse @ (scores / scores.std()) * scores.std()
    np.testing.assert_allclose(mean, expected, atol=1e-5)
    variance = (np.diag(covariance(other, other)) + noise
                - np.einsum('ij,jk,ik->i', covariance(other, x), inverse, covariance(other, x)))
    np.testing.assert_allclose(spread, np.sqrt(variance) * scores.std(), atol=1e-5)


@pytest.mark.parametrize('seed', range(3))
def test_few_results_are_not_trusted_more_than_the_evidence(seed):
    few = UniformSampler(SPACE, seed=5 + seed).distinct(8)
    evidence = Evidence(SPACE, scorers={'worth': noisy}, reference=200)
    ensemble = Ensemble(SPACE, evidence=evidence, seed=seed).fit(few, worth(few))
    truth = worth(UNSEEN)
    alone = Ensemble(SPACE, seed=seed).fit(few, worth(few))
    assert kendall_tau(ensemble(UNSEEN), truth) > kendall_tau(evidence(UNSEEN), truth) - .03
    assert kendall_tau(ensemble(UNSEEN), truth) > kendall_tau(alone(UNSEEN), truth) + .1


def test_process_learns_from_the_best_of_many():
    metric = worth(UNSEEN)
    best = np.argsort(-metric, kind='stable')[:50]
    limited = GaussianProcess(SPACE, results=50).fit(UNSEEN, metric)
    assert limited._model.X_train_.shape[0] == 50
    expected = Description(SPACE)([UNSEEN[row] for row in best])
    np.testing.assert_allclose(np.sort(limited._model.X_train_, axis=0), np.sort(expected, axis=0))


# What architectures are described by

def test_description_is_structure_and_evidence_of_unit_scale():
    evidence = Evidence(SPACE, scorers={'worth': noisy}, reference=FEW)
    description = Description(SPACE, evidence=evidence, reference=FEW)
    encoder = default_encoder(SPACE)
    structure = structure_features(encoder(FEW), encoder.node_features).numpy()
    raw = np.concatenate([structure, evidence.features(FEW).numpy()], axis=1)
    varies = raw.std(axis=0) > 0
    expected = (raw - raw.mean(axis=0))[:, varies] / raw.std(axis=0)[varies]
    np.testing.assert_allclose(description(FEW), expected, atol=1e-5)
    assert not varies.all() and description([]).shape == (0, varies.sum())


def test_what_is_remembered_is_bounded(monkeypatch):
    expected = Description(SPACE)(UNSEEN)
    monkeypatch.setattr('nni_rankreg.predictor.description._REMEMBERED', 50_000)
    description = Description(SPACE)
    for rows in (slice(0, 30), slice(20, 60), slice(0, 200), slice(10, 40)):
        np.testing.assert_array_equal(description(UNSEEN[rows]), expected[rows])
        assert 0 < sum(row.nbytes for row in description._rows.values()) <= 50_000


def test_process_predicts_part_by_part(monkeypatch):
    process = GaussianProcess(SPACE).fit(FEW, worth(FEW))
    expected = process.predict(UNSEEN)
    monkeypatch.setattr('nni_rankreg.predictor.gaussian_process._CHUNK', 30)
    for found, one in zip(process.predict(UNSEEN), expected):
        torch.testing.assert_close(found, one)


def test_an_architecture_is_described_once():
    asked = []

    class Counting:
        encoder = default_encoder(SPACE)
        node_features = encoder.node_features

        def __call__(self, samples):
            asked.extend(map(str, samples))
            return self.encoder(samples)
    description = Description(SPACE, encoder=Counting(), reference=FEW)
    first = description(UNSEEN[:50])
    again = description([*UNSEEN[:50][::-1], *UNSEEN[:60]])
    np.testing.assert_array_equal(again[:50][::-1], first)
    assert len(asked) == 40 + 60


# The average of scorers

def test_average_of_ranks():
    def second(samples):
        return torch.tensor([math.nan if number(one) % 2 else number(one) for one in samples])
    average = RankAverage([noisy, second], FEW)
    found = average(FEW)
    columns = [noisy(FEW).numpy(), [-math.inf if number(one) % 2 else number(one) for one in FEW]]
    expected = np.mean([norm.ppf(rankdata(column) / 41) for column in columns], axis=0)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    with pytest.raises(ValueError, match='at least one scorer'):
        RankAverage([], FEW)
