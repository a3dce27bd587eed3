"""Tests of `nni_rankreg.metric.ndcg` and `relevance`."""

from __future__ import annotations

import itertools
import math
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score
from torchmetrics.functional.retrieval import retrieval_normalized_dcg

from nni_rankreg.metric import bootstrap_interval, ndcg, relevance


@st.composite
def cases(draw):
    size = draw(st.integers(2, 30))
    values = st.lists(st.integers(0, 12).map(float), min_size=size, max_size=size)
    return draw(values), draw(values), draw(st.none() | st.integers(1, size + 3))


def gains(targets):
    return np.exp2(relevance(targets)) - 1


@settings(deadline=None)
@given(cases())
def test_equals_scikit_learn_on_exponential_gains(case):
    scores, targets, k = case                  # ties in both
    value = ndcg(scores, targets, k)
    if len(set(targets)) == 1:
        assert math.isnan(value)
    else:
        assert value == pytest.approx(ndcg_score([gains(targets)], [scores], k=k))


@settings(deadline=None, max_examples=30)
@given(cases())
def test_equals_torchmetrics_on_exponential_gains(case):
    scores, targets, k = case
    if len(set(targets)) > 1:
        expected = retrieval_normalized_dcg(
            torch.tensor(scores), torch.tensor(gains(targets)), top_k=k)
        assert ndcg(scores, targets, k) == pytest.approx(expected.item(), rel=1e-5)


def test_equals_the_formula():
    scores, targets = [.3, .9, .1, .5], [70., 72., 60., 73.]
    grades = [1 / 3, 1., 0., 1.]               # by hand, between bounds of 69.5 and 71
    order = [1, 3, 0, 2]
    dcg = sum((2 ** (20 * grades[i]) - 1) / math.log2(p + 2) for p, i in enumerate(order))
    ideal = sum((2 ** (20 * g) - 1) / math.log2(p + 2)
                for p, g in enumerate(sorted(grades, reverse=True)))
    assert ndcg(scores, targets, bounds=(69.5, 71.)) == pytest.approx(dcg / ideal)


def test_ties_earn_the_expectation_of_a_random_order():
    scores, targets = [2., 1., 1., 1., 0.], [5., 9., 7., 8., 6.]
    values = []
    for steps in itertools.permutations([.1, .2, .3]):
        broken = [2., *(1 + step for step in steps), 0.]
        values.append(ndcg(broken, targets))
    assert ndcg(scores, targets) == pytest.approx(np.mean(values))
    assert np.ptp(values) > .1


def test_best_and_order_of_architectures():
    generator = np.random.default_rng(0)
    targets = generator.normal(size=40)
    assert ndcg(3 * targets + 1, targets) == pytest.approx(1)
    assert ndcg(-targets, targets) < .3
    scores, order = generator.normal(size=40), generator.permutation(40)
    assert ndcg(scores[order], targets[order]) == pytest.approx(ndcg(scores, targets))
    assert ndcg(torch.tensor(scores), targets.tolist()) == ndcg(scores, targets)


def test_only_the_top_counts():
    targets = np.arange(50.)
    swapped = targets.copy()
    swapped[[0, 15]] = swapped[[15, 0]]
    assert ndcg(swapped, targets) > .999
    swapped = targets.copy()
    swapped[[48, 49]] = swapped[[49, 48]]
    assert ndcg(swapped, targets) < .99


def test_relevance_of_the_paper():
    targets = np.array([10., 60., 62., 64., 66., 68., 70., 50., 61., 65.])
    lower = np.sort(targets)[1] + .8 * (60. - 50.)          # quantile .2 of 10 values
    expected = np.clip((targets - lower) / (70. - lower), 0, 1) * 20
    np.testing.assert_allclose(relevance(targets), expected)


@pytest.mark.parametrize('targets, expected', [
    ([5., 5., 5.], [0., 0., 0.]),
    ([1., 5., 5., 5., 5., 5., 5., 5.], [0., *[20.] * 7]),   # the quantile is the maximum
    ([], []),
    ([3.], [0.]),
])
def test_relevance_without_a_range(targets, expected):
    assert relevance(targets).tolist() == expected


def test_relevance_with_bounds():
    assert relevance([.72, .745, .78], bounds=(.73, .76), scale=15).tolist() == pytest.approx(
        [0., 7.5, 15.])


def test_interval():
    generator = np.random.default_rng(0)
    targets = generator.normal(size=60)
    scores = targets + generator.normal(size=60)
    low, high = bootstrap_interval(partial(ndcg, k=10), scores, targets, resamples=100)
    assert 0 <= low < high <= 1


@pytest.mark.parametrize('call, message', [
    (lambda: ndcg([1., 2.], [1., 2.], 0), 'k to be a positive integer, got 0'),
    (lambda: ndcg([1., 2.], [1., 2.], 1.5), 'k to be a positive integer, got 1.5'),
    (lambda: ndcg([1.], [1.]), 'at least 2 architectures to compare, got 1'),
    (lambda: ndcg([1., 2.], [1., math.nan]), 'finite targets, got 1 non-finite of 2'),
    (lambda: relevance([1., 2.], quantile=1.), r'a quantile in \[0, 1\), got 1.0'),
    (lambda: relevance([1., 2.], scale=0.), 'a positive, finite scale, got 0.0'),
    (lambda: relevance([1.], bounds=(2., 2.)), r'lower < upper, got \(2.0, 2.0\)'),
])
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
