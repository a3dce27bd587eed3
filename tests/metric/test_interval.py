"""Tests of `nni_rankreg.metric.margin_of_error`, against scipy's own interval."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from nni_rankreg.metric import margin_of_error


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
