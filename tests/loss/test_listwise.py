"""Tests of `nni_rankreg.loss.listwise`."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nni_rankreg.loss import LambdaRankLoss, MeanSquaredLoss, RankNetLoss

LOSSES = [LambdaRankLoss(), LambdaRankLoss(sigma=2.5, truncation=3),
          LambdaRankLoss(positions='published'), RankNetLoss(), RankNetLoss(sigma=.5),
          MeanSquaredLoss()]
every_loss = pytest.mark.parametrize('loss', LOSSES, ids=str)

# Relevance of two lists of 20 and the weights of their pairs at the ideal positions.
STEEP = [20, 18.4, 17.1, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 5, 3, 1.5, 0, 0, 0, 0]
EVEN = np.linspace(20, 0, 20).tolist()


def double(values):
    return torch.tensor(values, dtype=torch.float64)


def random_lists(count=3, size=7, seed=0):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(count, size, dtype=torch.float64, generator=generator)
    targets = torch.rand(count, size, dtype=torch.float64, generator=generator).mul(5).round()
    return scores, targets  # targets are rounded, so some are tied


def gradient(loss, scores, targets, mask=None):
    scores = scores.clone().requires_grad_()
    loss(scores, targets, mask).backward()
    return scores.grad


def naive_dcg(relevance, order, truncation):
    return sum((2 ** relevance[i] - 1) / math.log2(position + 2)
               for position, i in enumerate(order) if position < truncation)


def naive_lambdas(scores, relevance, sigma=1., truncation=None):
    """Return LambdaRank's gradient: each pair is really swapped to see what NDCG loses."""
    truncation = truncation or len(scores)
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    ideal = naive_dcg(relevance, sorted(order, key=lambda i: -relevance[i]), truncation)
    before = naive_dcg(relevance, order, truncation)
    lambdas = [0.] * len(scores)
    for i, j in itertools.permutations(range(len(scores)), 2):
        if relevance[i] > relevance[j]:
            swapped = [{i: j, j: i}.get(one, one) for one in order]
            delta = abs(naive_dcg(relevance, swapped, truncation) - before) / ideal
            push = sigma * delta / (1 + math.exp(sigma * (scores[i] - scores[j])))
            lambdas[i] -= push
            lambdas[j] += push
    return lambdas


@pytest.mark.parametrize('sigma', [1., 2.5])
@pytest.mark.parametrize('truncation', [None, 1, 4, 99])
@pytest.mark.parametrize('seed', range(3))
def test_gradient_equals_naive_lambdas(sigma, truncation, seed):
    scores, targets = random_lists(seed=seed)
    got = gradient(LambdaRankLoss(sigma=sigma, truncation=truncation), scores, targets)
    expected = [naive_lambdas(*lists, sigma, truncation)
                for lists in zip(scores.tolist(), targets.tolist())]
    torch.testing.assert_close(got, double(expected) / len(scores))


@pytest.mark.parametrize('seed', range(3))
def test_gradient_equals_lightgbm(seed):
    lightgbm = pytest.importorskip('lightgbm')
    generator = np.random.default_rng(seed)
    size = 12
    scores, relevance = generator.normal(size=size), generator.integers(0, 5, size)

    def leaf(document, penalty):
        """Return -gradient / (hessian + penalty) of a document in a tree that sets it apart."""
        options = dict(
            objective='lambdarank', lambdarank_norm=False, lambdarank_truncation_level=size,
            sigmoid=1., num_leaves=2, min_data_in_leaf=1, min_data_in_bin=1,
            min_sum_hessian_in_leaf=1e-9, lambda_l2=penalty, learning_rate=1., verbosity=-1,
            feature_pre_filter=False, num_threads=1)
        apart = (np.arange(size) == document).astype(float)[:, None]
        data = lightgbm.Dataset(apart, relevance, group=[size], init_score=scores, params=options)
        booster = lightgbm.train(options, data, num_boost_round=1)
        return booster.predict(apart, raw_score=True)[document]

    got = gradient(LambdaRankLoss(), double(scores.tolist()), double(relevance.tolist())).tolist()
    compared = 0
    for document in range(size):
        first, second = leaf(document, 1.), leaf(document, 3.)
        if first != second:                    # LightGBM refuses some of the smallest leaves
            hessian = (3 * second - first) / (first - second)
            assert got[document] == pytest.approx(-first * (hessian + 1), abs=5e-5)
            compared += 1
    assert compared >= size / 2


@pytest.mark.parametrize('relevance, expected', [
    (STEEP, [.1867, .4484, .5831, 11.5560]), (EVEN, [.1269, .3850, .5127, 10.9769])])
def test_weights_at_the_ideal_positions(relevance, expected):
    check_weights(LambdaRankLoss(), relevance, expected, last=19, rel=2e-4)


@pytest.mark.parametrize('relevance, expected', [
    (STEEP, [.00188, .01242, .5831, 2.9155]), (EVEN, [.00127, .01066, .5127, 3.0903])])
def test_weights_of_the_published_code(relevance, expected):
    last = relevance.index(0)                  # of the worst, the one that comes first there
    check_weights(LambdaRankLoss(positions='published'), relevance, expected, last, rel=5e-3)


def check_weights(loss, relevance, expected, last, rel):
    targets = double(relevance)
    scores = targets * 1e-9                    # the right order, but gaps that are next to none
    hessian = torch.autograd.functional.hessian(lambda scores: loss(scores, targets), scores)
    weights = -4 * hessian[0, [1, 4, last]]      # the logistic loss has curvature 1/4 at a gap of 0
    assert weights.tolist() == pytest.approx(expected[:3], rel=rel)
    total = loss(scores, targets).item() / math.log(2)
    assert total == pytest.approx(expected[3], rel=rel)


def test_published_positions_ignore_the_scores():
    scores, targets = random_lists(count=1)
    targets = targets + torch.arange(7) / 10                # no ties
    ascending = LambdaRankLoss(positions='published')
    reversed_scores = -targets * 1e-9
    same = gradient(ascending, reversed_scores, targets)
    torch.testing.assert_close(same, gradient(LambdaRankLoss(), reversed_scores, targets))
    assert not torch.allclose(gradient(ascending, scores, targets),
                              gradient(LambdaRankLoss(), scores, targets), rtol=.05)


def test_ranknet_equals_naive_mean():
    scores, targets = random_lists()
    total = 0.
    for row, truth in zip(scores.tolist(), targets.tolist()):
        terms = [math.log(1 + math.exp(-.7 * (row[i] - row[j])))
                 for i, j in itertools.permutations(range(7), 2) if truth[i] > truth[j]]
        total += sum(terms) / len(terms) / 3
    assert RankNetLoss(sigma=.7)(scores, targets).item() == pytest.approx(total)


def test_mean_squared_equals_torch():
    scores, targets = random_lists()
    assert MeanSquaredLoss()(scores, targets).item() == pytest.approx(
        torch.nn.functional.mse_loss(scores, targets).item())


@every_loss
def test_padding_counts_for_nothing(loss):
    scores, targets = random_lists(count=2)
    mask = torch.ones(2, 7, dtype=torch.bool)
    mask[1, [1, 4, 6]] = False
    kept = mask[1]
    apart = (loss(scores[0], targets[0]) + loss(scores[1, kept], targets[1, kept])) / 2
    padded = scores.masked_fill(~mask, math.nan), targets.masked_fill(~mask, math.inf)
    assert loss(*padded, mask).item() == pytest.approx(apart.item())
    grad = gradient(loss, *padded, mask)
    assert grad.isfinite().all() and (grad[~mask] == 0).all() and (grad[0] != 0).any()


@every_loss
def test_lists_of_padding_do_not_dilute_the_mean(loss):
    scores, targets = random_lists(count=2)
    mask = torch.tensor([[True] * 7, [False] * 7])
    assert loss(scores, targets, mask).item() == pytest.approx(loss(scores[0], targets[0]).item())


@every_loss
@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.sampled_from([-1e4, -1., 0., 0., 2., 1e4]),
                          st.sampled_from([0., 0., 3., 20., 900.])), max_size=6))
def test_ties_and_extremes_stay_finite(loss, rows):
    scores = torch.tensor([row[0] for row in rows], requires_grad=True)
    value = loss(scores, torch.tensor([row[1] for row in rows]))
    value.backward()
    assert value.isfinite() and value >= 0 and scores.grad.isfinite().all()


@pytest.mark.parametrize('loss', LOSSES[:-1], ids=str)
def test_tied_scores_are_pulled_apart(loss):
    grad = gradient(loss, torch.zeros(3), torch.tensor([1., 0., 2.]))
    assert grad[2] < grad[0] < grad[1]


def test_descent_reaches_the_ideal_order():
    targets = double(STEEP)
    scores = torch.zeros(20, dtype=torch.float64, requires_grad=True)
    for _ in range(300):
        (grad,) = torch.autograd.grad(LambdaRankLoss()(scores, targets), scores)
        scores = (scores - 5 * grad).detach().requires_grad_()
    assert scores[:10].argsort(descending=True).tolist() == list(range(10))


@pytest.mark.parametrize('make, message', [
    (lambda: LambdaRankLoss(positions='true'),
     "positions to be one of predicted, published, got 'true'"),
    (lambda: LambdaRankLoss(truncation=0), 'truncation of at least 1 position, got 0'),
    (lambda: LambdaRankLoss(sigma=0.), 'sigma to be finite and > 0, got 0.0'),
    (lambda: RankNetLoss(sigma=math.inf), 'sigma to be finite and > 0, got inf'),
])
def test_bad_parameters(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@every_loss
@pytest.mark.parametrize('scores, targets, mask, message', [
    (torch.ones(2), torch.ones(3), None, r'got \(2,\), \(3,\), \(2,\)'),
    (torch.ones(1, 2, 3), torch.ones(1, 2, 3), None, r'shape \(N,\) or \(L, N\)'),
    (torch.ones(2), torch.ones(2), torch.ones(3).bool(), r'got \(2,\), \(2,\), \(3,\)'),
    (torch.ones(2), torch.ones(2), torch.ones(2), 'a boolean mask, got torch.float32'),
])
def test_bad_input(loss, scores, targets, mask, message):
    with pytest.raises(ValueError, match=message):
        loss(scores, targets, mask)


def test_negative_relevance():
    with pytest.raises(ValueError, match='a relevance of at least 0, got -1.0'):
        LambdaRankLoss()(torch.ones(2), torch.tensor([0., -1.]))
