"""Tests of `nni_rankreg.predictor.trees`, against scikit-learn's own predictions."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
import torch
from scipy.stats import norm
from sklearn.ensemble import ExtraTreesRegressor

from nni_rankreg.metric import kendall_tau
from nni_rankreg.predictor import NasBench201Encoder, Trees, structure_features
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.space import NasBench201

SPACE = NasBench201(4, 1, 10).simplify()
WORTH = {'none': -1., 'skip_connect': .5, 'conv_1x1': 1., 'conv_3x3': 2., 'avg_pool_3x3': 0.}
FEW = UniformSampler(SPACE, seed=0).distinct(40)
UNSEEN = UniformSampler(SPACE, seed=1).distinct(200)


def worth(samples):
    return np.array([sum(map(WORTH.get, sample.values())) for sample in samples])


class WithEvidence(NasBench201Encoder):
    """Graphs beside which stands what the architectures are worth."""

    def __call__(self, samples):
        return super().__call__(samples)._replace(
            extras=torch.from_numpy(worth(samples)).float()[:, None])


@pytest.fixture(scope='module')
def fitted():
    return Trees(SPACE, estimators=30, seed=3).fit(FEW, worth(FEW))


def test_equal_to_those_of_scikit_learn(fitted):
    encoder = NasBench201Encoder()
    seen, features = (structure_features(encoder(samples), encoder.node_features).numpy()
                      for samples in (FEW, UNSEEN))
    values = worth(FEW)
    shares = [((values < one).sum() + (values == one).sum() / 2) / 40 for one in values]
    scores = norm.ppf(shares)              # to the last bit: trees choose among equal splits
    np.testing.assert_allclose(scores, [*map(statistics.NormalDist().inv_cdf, shares)], atol=1e-9)
    forest = ExtraTreesRegressor(30, max_features=.2, random_state=3).fit(seen, scores)
    mean, spread = fitted.predict(UNSEEN)
    np.testing.assert_allclose(mean, forest.predict(features), atol=1e-12)
    each = [tree.predict(features) for tree in forest.estimators_]
    np.testing.assert_allclose(spread, np.std(each, axis=0), atol=1e-12)
    assert mean.dtype == spread.dtype == fitted.score(UNSEEN).dtype == torch.float64
    assert torch.equal(fitted.score(UNSEEN), mean)
    assert kendall_tau(mean, worth(UNSEEN)) > .5


def test_options_are_those_of_scikit_learn():
    forest = Trees(SPACE, estimators=5, max_features=.5, min_samples_leaf=4).fit(FEW, worth(FEW))
    assert all(tree.tree_.n_node_samples.min() >= 4 for tree in forest._forest.estimators_)
    assert forest._forest.n_estimators == 5 and forest._forest.max_features == .5


def test_features_stand_for_architectures(fitted):
    features = fitted.features(UNSEEN)
    assert features.shape == (200, 69) and features.dtype == torch.float32
    assert torch.equal(fitted.features(fitted.encoder(UNSEEN)), features)
    assert torch.equal(fitted.score(features), fitted.score(UNSEEN))
    again = Trees(SPACE, estimators=30, seed=3).fit(fitted.features(FEW), worth(FEW))
    assert torch.equal(again.score(UNSEEN), fitted.score(UNSEEN))


def test_only_the_order_of_the_metric_matters(fitted):
    other = Trees(SPACE, estimators=30, seed=3).fit(FEW, np.exp(worth(FEW)))
    assert torch.equal(other.score(UNSEEN), fitted.score(UNSEEN))


def test_evidence_helps(fitted):
    helped = Trees(SPACE, encoder=WithEvidence(), estimators=30, seed=3).fit(FEW, worth(FEW))
    assert helped.features(UNSEEN).shape == (200, 70)
    truth = worth(UNSEEN)
    assert kendall_tau(helped(UNSEEN), truth) > kendall_tau(fitted(UNSEEN), truth) + .03


def test_spread_is_nil_where_the_trees_agree(fitted):
    """Grown trees are sure of what they were fitted to, if no equal graph has another worth."""
    distinct = Trees(SPACE, estimators=30).fit(FEW, worth(FEW))
    features = distinct.features(FEW)
    alone = [(features == row).all(dim=1).sum() == 1 for row in features]
    assert sum(alone) > 30
    assert distinct.predict(features[torch.tensor(alone)])[1].max() < 1e-7
    assert distinct.predict(UNSEEN)[1].max() > .1


@pytest.mark.parametrize('call, error, message', [
    (lambda t: t.predict(FEW), RuntimeError, 'fitted trees; call fit first'),
    (lambda t: t.fit(FEW, [1.]), ValueError, '40 values of metric, one for each .* got 1'),
    (lambda t: t.fit(FEW[:2], [1., math.nan]), ValueError, 'finite metric, got 1'),
    (lambda t: t.fit([], []), ValueError, 'at least 2 architectures to learn from, got 0'),
    (lambda t: t.fit(FEW, worth(FEW)).score(torch.zeros(2, 5)), ValueError,
     'Expected 69 features, as in fit, got 5'),
])
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call(Trees(SPACE, estimators=3))
