"""Tests of intervals, against scipy's own and naive loops."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from nni_rankreg.metric import (
    bootstrap_interval,
    kendall_tau,
    kendall_tau_interval,
    margin_of_error,
)


@pytest.mark.parametrize('count', [2, 3, 50])
@pytest.mark.parametrize('confidence', [0.5, 0.95])
def test_equals_the_interval_of_scipy(count, confidence):
    values = np.random.default_rng(count).normal(3, 2, count)
    low, high = stats.ttest_1samp(values, 0).confidence_interval(confidence)
    assert margin_of_error(values, confidence) == pytest.approx((high - low) / 2)


def test_equal_values_have_none():
    assert margin_of_error([0.25, 0.25, 0.25]) == 0


@pytest.mark.parametrize('arguments, message', [
    (([1.],), 'at least two values, got 1'),
    (([1., 2.], 1.), r'confidence in \(0, 1\), got 1.0'),
    (([1., float('nan')],), 'finite'),
])
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        margin_of_error(*arguments)


@pytest.fixture
def rankings():
    """Return two predictions and what they predict, of 30 architectures, with ties."""
    random = np.random.default_rng(0)
    truth = random.integers(12, size=30).astype(float)
    return truth + random.normal(size=30) * 3, truth + random.normal(size=30) * 6, truth


def test_quick_interval_of_kendalls_tau(rankings):
    first, _, truth = rankings
    assert kendall_tau_interval(first, truth, seed=3) == pytest.approx(
        bootstrap_interval(kendall_tau, first, truth, seed=3))


def test_interval_of_a_difference(rankings):
    first, other, truth = rankings
    random, found = np.random.default_rng(5), []
    for _ in range(300):
        rows = random.integers(30, size=30)
        found.append(stats.kendalltau(first[rows], truth[rows])[0]
                     - stats.kendalltau(other[rows], truth[rows])[0])
    expected = np.quantile(found, [.1, .9])
    low, high = kendall_tau_interval(first, truth, against=other, confidence=.8, resamples=300,
                                     seed=5)
    np.testing.assert_allclose([low, high], expected)
    assert kendall_tau_interval(first, truth, against=first) == (0, 0)
    with pytest.raises(ValueError, match='30'):
        kendall_tau_interval(first, truth, against=other[:9])
