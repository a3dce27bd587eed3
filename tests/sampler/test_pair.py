"""Pairs of a list, against exhaustive enumeration and closed forms."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from nni_rankreg.sampler import PairSampler

seeds = st.integers(0, 2 ** 31 - 1)
targets_strategy = st.lists(st.integers(-3, 3).map(float), max_size=12)


@given(targets_strategy, st.integers(0, 80), seeds)
def test_pairs_are_different_and_better_first(targets, count, seed):
    pairs = PairSampler(seed).sample(targets, count)
    possible = {(i, j) for i, j in itertools.permutations(range(len(targets)), 2)
                if targets[i] > targets[j]}
    assert pairs.dtype == torch.int64 and pairs.shape == (min(count, len(possible)), 2)
    drawn = [tuple(pair) for pair in pairs.tolist()]
    assert len(set(drawn)) == len(drawn) and set(drawn) <= possible


def test_pairs_are_uniform():
    sampler = PairSampler(4)
    targets = [3., 1., 2., 2., 5., 1.]
    counts = Counter(tuple(sampler.sample(targets, 1)[0].tolist()) for _ in range(13 * 300))
    assert len(counts) == 13                   # 15 less two ties
    assert chisquare(list(counts.values())).pvalue > 1e-3


def test_mean_rank_gap_of_30():
    # (n + 1) / 3; the published code's draw has 8.0.
    sampler, targets = PairSampler(0), torch.randperm(30).double()
    pairs = torch.cat([sampler.sample(targets, 1) for _ in range(4000)])
    gap = (targets[pairs[:, 0]] - targets[pairs[:, 1]]).mean().item()
    assert gap == pytest.approx(31 / 3, abs=0.4)


def test_pairs_follow_changed_targets():
    sampler = PairSampler()
    assert sampler.sample([1., 2.], 1).tolist() == [[1, 0]]
    assert sampler.sample(torch.tensor([2., 1.], requires_grad=True), 1).tolist() == [[0, 1]]
    assert sampler.sample(np.array([2., 2., 1.]), 9).tolist() == [[0, 2], [1, 2]]


def test_targets_changed_in_place_are_noticed():
    sampler, targets = PairSampler(), np.array([1., 2.])
    sampler.sample(targets, 1)
    targets[:] = [2., 1.]
    assert sampler.sample(targets, 1).tolist() == [[0, 1]]


def test_pairs_of_many_elements():
    # All pairs of 100,000 would take 80 GB.
    targets = torch.rand(100_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    pairs = PairSampler(0).sample(targets, 2000)
    assert len({tuple(pair) for pair in pairs.tolist()}) == 2000
    assert (targets[pairs[:, 0]] > targets[pairs[:, 1]]).all()
    quartiles = torch.bincount(pairs.flatten() // 25_000, minlength=4)
    assert chisquare(quartiles.numpy()).pvalue > 1e-3


@pytest.mark.parametrize('targets, count, message', [
    ([1., float('nan')], 1,
     r'Expected finite targets of shape \(N,\), got shape \(2,\) with 1 non-finite'),
    ([[1., 2.]], 1, r'Expected finite targets of shape \(N,\), got shape \(1, 2\)'),
    ([1., 2.], -1, 'Expected a count of at least 0, got -1'),
])
def test_pair_errors(targets, count, message):
    with pytest.raises(ValueError, match=message):
        PairSampler().sample(targets, count)
