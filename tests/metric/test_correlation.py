"""Tests of `nni_rankreg.metric`."""

from __future__ import annotations

import itertools
import math
import warnings
from decimal import ROUND_FLOOR, Decimal
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from nni_rankreg.metric import (
    bootstrap_interval,
    concordant_pair_ratio,
    kendall_tau,
    pearson,
    sparse_kendall_tau,
    spearman,
    top_k,
)

CORRELATIONS = [kendall_tau, sparse_kendall_tau, spearman, pearson]
METRICS = [*CORRELATIONS, partial(top_k, k=1)]


def naive_tau_b(x, y):
    concordant = discordant = only_x = only_y = 0
    for i, j in itertools.combinations(range(len(x)), 2):
        product = (x[i] - x[j]) * (y[i] - y[j])
        concordant += product > 0
        discordant += product < 0
        only_x += x[i] == x[j] and y[i] != y[j]
        only_y += x[i] != x[j] and y[i] == y[j]
    ordered = concordant + discordant
    norm = math.sqrt((ordered + only_x) * (ordered + only_y))
    return (concordant - discordant) / norm if norm else math.nan


def naive_pearson(x, y):
    mean_x, mean_y = math.fsum(x) / len(x), math.fsum(y) / len(y)
    cov = math.fsum((a - mean_x) * (b - mean_y) for a, b in zip(x, y))
    var_x = math.fsum((a - mean_x) ** 2 for a in x)
    var_y = math.fsum((b - mean_y) ** 2 for b in y)
    return cov / math.sqrt(var_x * var_y) if var_x * var_y else math.nan


def naive_spearman(x, y):
    def ranks(values):
        return [sum(b < a for b in values) + sum(b == a for b in values) / 2 for a in values]
    return naive_pearson(ranks(x), ranks(y))


def naive_concordant_pair_ratio(x, y):
    pairs = list(itertools.combinations(range(len(x)), 2))
    ordered = sum((x[i] < x[j] and y[i] < y[j]) or (x[i] > x[j] and y[i] > y[j]) for i, j in pairs)
    return ordered / len(pairs)


def decimal_bin(text, resolution):
    """Return the bin of a decimal literal, halves upwards, in exact arithmetic."""
    scaled = Decimal(text) / Decimal(resolution) + Decimal('0.5')
    return int(scaled.to_integral_value(rounding=ROUND_FLOOR))


def pairs_of(elements):
    """Return a strategy of (scores, targets) with 2 to 12 entries."""
    return st.lists(st.tuples(elements, elements), min_size=2, max_size=12).map(
        lambda rows: tuple(list(column) for column in zip(*rows)))


def random_pair(size, seed=0, noise=1.):
    generator = np.random.default_rng(seed)
    targets = generator.normal(size=size)
    return targets + noise * generator.normal(size=size), targets


@pytest.mark.parametrize('metric, naive', [
    (kendall_tau, naive_tau_b), (spearman, naive_spearman), (pearson, naive_pearson),
    (concordant_pair_ratio, naive_concordant_pair_ratio),
])
@settings(deadline=None)
@given(data=pairs_of(st.integers(-3, 3)))
def test_equals_the_definition_with_many_ties(metric, naive, data):
    assert metric(*data) == pytest.approx(naive(*data), abs=1e-9, nan_ok=True)


@pytest.mark.parametrize('metric, naive', [
    (kendall_tau, naive_tau_b), (spearman, naive_spearman), (pearson, naive_pearson),
])
def test_equals_the_definition_without_ties(metric, naive):
    data = random_pair(60)
    assert metric(*data) == pytest.approx(naive(*data))


def test_concordant_pairs_and_tau_without_ties():
    data = random_pair(60)  # without ties tau-a is tau-b
    assert concordant_pair_ratio(*data) == pytest.approx((kendall_tau(*data) + 1) / 2)
    tiny = [1e-200 * value for value in data[0]], [1e-200 * value for value in data[1]]
    assert concordant_pair_ratio(*tiny) == concordant_pair_ratio(*data)  # no underflow


@settings(deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(-5, 5), st.integers(-2000, 10000)), min_size=2,
                  max_size=12),
    resolution=st.sampled_from(['0.0001', '0.0005', '0.001', '0.01', '0.1']),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_sparse_bins_decimal_targets_exactly(rows, resolution, dtype):
    scores = [score for score, _ in rows]
    texts = [str(Decimal(target) / 10000) for _, target in rows]
    expected = naive_tau_b(scores, [decimal_bin(text, resolution) for text in texts])
    targets = torch.tensor([float(text) for text in texts], dtype=dtype)
    got = sparse_kendall_tau(scores, targets, resolution=float(resolution))
    assert got == pytest.approx(expected, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize('targets, resolution, tied', [
    ([0.3, 0.1 + 0.2], 0.1, True),          # 0.3 / 0.1 < 3 < (0.1 + 0.2) / 0.1
    ([0.15, 0.05 + 0.1], 0.1, True),        # on both sides of a half
    ([0.9235, 0.9244], 0.001, True),        # from the half upwards: one bin
    ([0.9234, 0.9235], 0.001, False),       # an edge lies between them
    ([0.0499, 0.05], 0.1, False),           # a thousandth of a bin below the edge
    ([0.9235, 0.9245], 0.001, False),       # both halves go up, not to the even neighbour
    ([92.35, 92.44], 0.1, True),            # percent
])
def test_sparse_bin_edges(targets, resolution, tied):
    # The third target is far away, so that the targets are never constant.
    got = sparse_kendall_tau([1., 2., 3.], [*targets, 1000.], resolution)
    assert got == pytest.approx(naive_tau_b([1, 2, 3], [1, 1 if tied else 2, 3]))


def test_sparse_does_not_round_scores():
    scores, targets = [1e-6, 2e-6, 3e-6], [.1, .2, .3]
    assert sparse_kendall_tau(scores, targets) == pytest.approx(1.)
    assert math.isnan(sparse_kendall_tau(targets, scores))


def test_sparse_with_fine_resolution_is_plain_tau():
    data = random_pair(50)
    assert sparse_kendall_tau(*data, resolution=1e-9) == kendall_tau(*data)
    assert sparse_kendall_tau(*data, resolution=1.) != kendall_tau(*data)


@pytest.mark.parametrize('resolution', [0., -1e-3, math.nan, math.inf])
def test_sparse_bad_resolution(resolution):
    message = f'Expected a positive, finite resolution, got {resolution}'
    with pytest.raises(ValueError, match=message):
        sparse_kendall_tau([1., 2.], [1., 2.], resolution)


def expected_top_k(scores, targets, k):
    """Average over all orders in which tied scores may be picked."""
    threshold = sorted(targets)[-k]
    shares = []
    for order in itertools.permutations(range(len(scores))):
        picked = sorted(order, key=lambda i: -scores[i])[:k]
        shares.append(sum(targets[i] >= threshold for i in picked) / k)
    return sum(shares) / len(shares)


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_top_k_is_the_expectation_over_ties(data):
    size = data.draw(st.integers(2, 5))
    values = st.lists(st.integers(0, 3), min_size=size, max_size=size)
    scores, targets = data.draw(values), data.draw(values)
    k = data.draw(st.integers(1, size))
    assert top_k(scores, targets, k) == pytest.approx(expected_top_k(scores, targets, k))


def test_top_k_against_sets_and_in_any_order():
    scores, targets = random_pair(50)
    best = set(np.argsort(targets)[-10:]) & set(np.argsort(scores)[-10:])
    assert 0 < len(best) < 10
    assert top_k(scores, targets) == len(best) / 10
    shuffled = np.random.default_rng(1).permutation(50)
    tied = scores.round()
    assert top_k(tied[shuffled], targets[shuffled]) == top_k(tied, targets)


def test_top_k_constant_input():
    assert top_k([1.] * 8, np.arange(8.), k=2) == pytest.approx(2 / 8)
    assert top_k(np.arange(8.), [1.] * 8, k=2) == 1.


@pytest.mark.parametrize('k', [0, -1, 4, 1.5])
def test_top_k_bad_k(k):
    with pytest.raises(ValueError, match=rf'Expected k to be an integer in 1\.\.3, got {k}'):
        top_k([1., 2., 3.], [1., 2., 3.], k=k)


@pytest.mark.parametrize('metric', CORRELATIONS)
@pytest.mark.parametrize('scores, targets', [
    ([1., 1., 1.], [1., 2., 3.]), ([1., 2., 3.], [1., 1., 1.]), ([1., 1.], [2., 2.]),
])
def test_constant_input_is_nan_without_warning(metric, scores, targets):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert math.isnan(metric(scores, targets))


@pytest.mark.parametrize('metric', CORRELATIONS)
def test_two_architectures(metric):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert metric([0., 1.], [2., 5.]) == pytest.approx(1.)
        assert metric([1., 0.], [2., 5.]) == pytest.approx(-1.)


@pytest.mark.parametrize('metric', METRICS)
def test_accepts_sequences_arrays_and_tensors(metric):
    scores, targets = ([3., 1., 2., 5.], [1., 3., 2., 4.])
    expected = metric(scores, targets)
    assert type(expected) is float
    assert metric(tuple(scores), np.array(targets, dtype=np.float32)) == expected
    assert metric(torch.tensor(scores, requires_grad=True), torch.tensor(targets)) == expected
    assert metric(torch.tensor(scores).bfloat16(), torch.tensor(targets).long()) == expected


@pytest.mark.parametrize('metric', [*METRICS, partial(bootstrap_interval, pearson)])
@pytest.mark.parametrize('scores, targets, message', [
    ([1., 2.], [1., 2., 3.], 'Expected scores and targets of the same length, got 2 and 3'),
    ([[1., 2.]], [1., 2.], r'Expected scores of shape \(N,\), got shape \(1, 2\)'),
    ([1., 2.], torch.ones(2, 1), r'Expected targets of shape \(N,\), got shape \(2, 1\)'),
    (1., [1., 2.], r'Expected scores of shape \(N,\), got shape \(\)'),
    ([1.], [1.], 'Expected at least 2 architectures to compare, got 1'),
    ([], [], 'Expected at least 2 architectures to compare, got 0'),
    ([1., math.nan], [1., 2.], 'Expected finite scores, got 1 non-finite of 2'),
    ([1., 2.], [-math.inf, math.nan], 'Expected finite targets, got 2 non-finite of 2'),
])
def test_bad_input(metric, scores, targets, message):
    with pytest.raises(ValueError, match=message):
        metric(scores, targets)


@pytest.mark.parametrize('metric', [kendall_tau, pearson])
def test_bootstrap_agrees_with_scipy(metric):
    scores, targets = random_pair(40)
    interval = bootstrap_interval(metric, scores, targets, confidence=0.9, resamples=800)
    reference = stats.bootstrap(
        (scores, targets), metric, paired=True, vectorized=False, method='percentile',
        confidence_level=0.9, n_resamples=800, rng=np.random.default_rng(7))
    # Both ends carry a Monte-Carlo error of about 0.01; the interval is about 0.3 wide.
    assert interval == pytest.approx(tuple(reference.confidence_interval), abs=0.04)


def test_bootstrap_keeps_pairs_together():
    targets = np.random.default_rng(0).normal(size=20)
    assert bootstrap_interval(kendall_tau, 2 * targets, targets, resamples=50) == (
        pytest.approx(1.), pytest.approx(1.))


def test_bootstrap_is_reproducible_and_nested():
    data = random_pair(30)
    wide = bootstrap_interval(spearman, *data, confidence=.99, resamples=200, seed=3)
    assert wide == bootstrap_interval(spearman, *data, confidence=.99, resamples=200, seed=3)
    assert wide != bootstrap_interval(spearman, *data, confidence=.99, resamples=200, seed=4)
    narrow = bootstrap_interval(spearman, *data, confidence=.5, resamples=200, seed=3)
    assert wide[0] < narrow[0] < spearman(*data) < narrow[1] < wide[1]


def test_bootstrap_drops_nan():
    # Of two architectures half of the resamples repeat one: tau is NaN there and 1 elsewhere.
    seen = []

    def spy(scores, targets):
        seen.append(kendall_tau(scores, targets))
        return seen[-1]

    interval = bootstrap_interval(spy, [1., 2.], [3., 4.], resamples=50)
    assert len(seen) == 50 and 0 < sum(map(math.isnan, seen)) < 50
    assert interval == pytest.approx((1., 1.))


def test_bootstrap_all_nan():
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        low, high = bootstrap_interval(kendall_tau, [1., 1., 1.], [1., 2., 3.], resamples=20)
    assert math.isnan(low) and math.isnan(high)


@pytest.mark.parametrize('arguments, message', [
    ({'confidence': 0.}, r'Expected confidence in \(0, 1\), got 0.0'),
    ({'confidence': 95}, r'Expected confidence in \(0, 1\), got 95'),
    ({'resamples': 0}, 'Expected resamples to be a positive integer, got 0'),
    ({'resamples': 1e3}, 'Expected resamples to be a positive integer, got 1000.0'),
])
def test_bootstrap_bad_parameters(arguments, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_interval(pearson, [1., 2.], [1., 2.], **arguments)
