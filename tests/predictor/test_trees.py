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
from nni_rankreg.predictor import Description, Evidence, Trees
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.space import NasBench201

SPACE = NasBench201(4, 1, 10).simplify()
WORTH = {'none': -1., 'skip_connect': .5, 'conv_1x1': 1., 'conv_3x3': 2., 'avg_pool_3x3': 0.}
FEW = UniformSampler(SPACE, seed=0).distinct(40)
UNSEEN = UniformSampler(SPACE, seed=1).distinct(200)


def worth(samples):
    return np.array([sum(map(WORTH.get, sample.values())) for sample in samples])


def first_choices(samples):
    return torch.tensor([WORTH[next(iter(sample.values()))] for sample in samples])


@pytest.fixture(scope='module')
def fitted():
    return Trees(SPACE, estimators=30, seed=3).fit(FEW, worth(FEW))


def test_equal_to_those_of_scikit_learn(fitted):
    seen, features = map(Description(SPACE), (FEW, UNSEEN))
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


@pytest.mark.parametrize('prior', [0., 10.])
def test_they_learn_what_the_vote_does_not_tell(prior):
    description = Description(SPACE, evidence=Evidence(SPACE, scorers=[first_choices]))
    scores = np.array([*map(statistics.NormalDist().inv_cdf, (
        (np.array(worth(FEW)) < one).mean() + (worth(FEW) == one).mean() / 2
        for one in worth(FEW)))])
    vote, other = (description.with_prior(samples)[1] for samples in (FEW, UNSEEN))
    slope = prior / (prior + 40) * sum(vote * scores) / (sum(vote ** 2) + 1)
    forest = ExtraTreesRegressor(30, max_features=.2, random_state=3).fit(
        description(FEW), scores - slope * vote)
    expected = slope * other + forest.predict(description(UNSEEN))
    trees = Trees(SPACE, description=description, prior=prior, estimators=30, seed=3)
    found = trees.fit(FEW, worth(FEW)).predict(UNSEEN).mean.numpy()
    # Trees choose among splits that differ in the last bit of what they learn.
    assert np.corrcoef(found, expected)[0, 1] > .98 and (slope > .05) == (prior > 0)


def test_a_negative_prior():
    with pytest.raises(ValueError, match='prior of at least 0 results, got -1'):
        Trees(SPACE, prior=-1)


def test_options_are_those_of_scikit_learn():
    forest = Trees(SPACE, estimators=5, max_features=.5, min_samples_leaf=4).fit(FEW, worth(FEW))
    assert all(tree.tree_.n_node_samples.min() >= 4 for tree in forest._forest.estimators_)
    assert forest._forest.n_estimators == 5 and forest._forest.max_features == .5


def test_only_the_order_of_the_metric_matters(fitted):
    other = Trees(SPACE, estimators=30, seed=3).fit(FEW, np.exp(worth(FEW)))
    assert torch.equal(other.score(UNSEEN), fitted.score(UNSEEN))


def test_evidence_helps(fitted):
    evidence = Evidence(SPACE, scorers=[lambda samples: torch.from_numpy(worth(samples))])
    helped = Trees(SPACE, description=Description(SPACE, evidence=evidence), estimators=30,
                   seed=3).fit(FEW, worth(FEW))
    truth = worth(UNSEEN)
    assert kendall_tau(helped(UNSEEN), truth) > kendall_tau(fitted(UNSEEN), truth) + .03


def test_spread_is_nil_where_the_trees_agree(fitted):
    """Grown trees are sure of what they were fitted to, if no equal graph has another worth."""
    distinct = Trees(SPACE, estimators=30).fit(FEW, worth(FEW))
    features = distinct.description(FEW)
    alone = [sample for sample, row in zip(FEW, features)
             if (features == row).all(axis=1).sum() == 1]
    assert len(alone) > 30
    assert distinct.predict(alone).spread.max() < 1e-7
    assert distinct.predict(UNSEEN).spread.max() > .1


@pytest.mark.parametrize('call, error, message', [
    (lambda t: t.predict(FEW), RuntimeError, 'fitted trees; call fit first'),
    (lambda t: t.fit(FEW, [1.]), ValueError, '40 values of metric, one for each .* got 1'),
    (lambda t: t.fit(FEW[:2], [1., math.nan]), ValueError, 'finite metric, got 1'),
    (lambda t: t.fit([], []), ValueError, 'at least 2 architectures to learn from, got 0'),
])
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call(Trees(SPACE, estimators=3))
