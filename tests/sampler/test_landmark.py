"""Diverse landmarks, against exhaustive enumeration and closed forms."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import pytest
from helpers.spaces import constrained, grid, mixed
from hypothesis import given, settings
from hypothesis import strategies as st
from nni.nas.hub.pytorch import NasBench201
from scipy.stats import chisquare

from nni_rankreg.sampler import LandmarkSampler, hamming_distance
from nni_rankreg.typing import sample_key

sizes = st.lists(st.integers(1, 4), min_size=1, max_size=5).filter(lambda x: max(x) > 1)
seeds = st.integers(0, 2 ** 31 - 1)


def keys(samples):
    return [sample_key(sample) for sample in samples]


def test_nasbench201_default_is_tau_5():
    landmarks = LandmarkSampler(NasBench201(4, 1, 10)).sample(30)
    assert len(landmarks) == len(set(keys(landmarks))) == 30
    assert {hamming_distance(landmarks[0], mutant) for mutant in landmarks[1:]} == {6}


@settings(max_examples=60, deadline=None)
@given(sizes, seeds, st.data())
def test_mutants_are_far_and_all_of_them_appear(shape, seed, data):
    space = grid(*shape)
    labels = sum(size > 1 for size in shape)
    threshold = data.draw(st.integers(0, labels - 1))
    root = {f'x{i}': data.draw(st.integers(0, size - 1)) for i, size in enumerate(shape)}
    far = [sample for choices in itertools.product(*map(range, shape))
           if hamming_distance(sample := dict(zip(space, choices)), root) > threshold]
    sampler = LandmarkSampler(space, threshold=threshold, seed=seed)
    first, *mutants = sampler.sample(len(far) + 1, root=root)
    assert first == root and sorted(keys(mutants)) == sorted(keys(far))
    with pytest.raises(ValueError, match=rf'mutants at a distance above {threshold} from the '
                                         rf'root, got {len(far)}\.'):
        sampler.sample(len(far) + 2, root=root)


def test_root_is_uniform_and_mutants_at_the_largest_distance_are():
    sampler = LandmarkSampler(grid(3, 3), seed=1)
    roots = Counter(sample_key(sampler.sample(1)[0]) for _ in range(1800))
    assert len(roots) == 9 and chisquare(list(roots.values())).pvalue > 1e-3
    root = {'x0': 0, 'x1': 0}
    mutants = Counter(sample_key(sampler.sample(2, root)[1]) for _ in range(1200))
    assert len(mutants) == 4 and chisquare(list(mutants.values())).pvalue > 1e-3


def test_mutants_are_drawn_at_every_distance_above_the_threshold():
    space = grid(3, 3, 3, 3)
    sampler, root = LandmarkSampler(space, threshold=1), dict.fromkeys(space, 0)
    distances = Counter(hamming_distance(root, sampler.sample(2, root)[1]) for _ in range(900))
    # Two forced labels, two that differ with probability 2/3.
    assert sorted(distances) == [2, 3, 4]
    assert chisquare([distances[d] for d in (2, 3, 4)], [100, 400, 400]).pvalue > 1e-3


def test_landmarks_of_every_kind_of_leaf():
    landmarks = LandmarkSampler(mixed()).sample(5)
    assert all(mixed().contains(sample) for sample in landmarks)
    assert {hamming_distance(landmarks[0], mutant) for mutant in landmarks[1:]} == {5}


def test_landmarks_satisfy_constraints():
    landmarks = LandmarkSampler(constrained(), threshold=1).sample(10)
    assert sorted(sample['a'] for sample in landmarks) == list(range(10))
    with pytest.raises(ValueError, match=r'Expected a space with 10 different mutants.*got 9\.'):
        LandmarkSampler(constrained(), threshold=1).sample(11)


@pytest.mark.slow
@pytest.mark.parametrize('threshold', [-1, 6, 7])
def test_impossible_threshold(threshold):
    message = f'below the largest possible distance, 6, got {threshold}'
    with pytest.raises(ValueError, match=message):
        LandmarkSampler(NasBench201(4, 1, 10), threshold=threshold)


def test_a_space_of_one_architecture_has_no_mutants():
    assert LandmarkSampler(grid(1)).sample(1) == [{'x0': 0}]
    with pytest.raises(ValueError, match=r'Expected a space with 1 different mutants .*got 0\.'):
        LandmarkSampler(grid(1)).sample(2)


def test_count_is_checked():
    with pytest.raises(ValueError, match='Expected a count of at least 1, got 0'):
        LandmarkSampler(grid(2, 2)).sample(0)


@pytest.mark.parametrize('count, threshold', [(30, 2), (2, 4), (5, 3), (1000, 0)])
def test_pairwise_default_leaves_room(count, threshold):
    # The ball of radius t holds sum_d C(6, d) 4^d samples; (count - 1) balls fill half at most.
    def ball(t):
        return sum(math.comb(6, d) * 4 ** d for d in range(t + 1))
    assert 2 * (count - 1) * ball(threshold) <= 5 ** 6 < 2 * (count - 1) * ball(threshold + 1)
    landmarks = LandmarkSampler(grid(*[5] * 6), pairwise=True).sample(min(count, 200))
    if count <= 200:
        assert min(hamming_distance(*pair)
                   for pair in itertools.combinations(landmarks, 2)) > threshold


def test_pairwise_default_leaves_half_of_the_space():
    sampler = LandmarkSampler(grid(*[5] * 6), pairwise=True)
    # Balls of radius 5 would fit, too, but fill 11529 of 15625.
    assert {hamming_distance(*sampler.sample(2)) for _ in range(60)} == {5, 6}


def test_pairwise_reports_how_many_fit():
    # Codes of length 2 over 3 letters that differ in both: 3 at most.
    assert len(LandmarkSampler(grid(3, 3), threshold=1, pairwise=True).sample(3)) == 3
    with pytest.raises(ValueError, match='Expected at most 3 landmarks at pairwise .*count=4'):
        LandmarkSampler(grid(3, 3), threshold=1, pairwise=True).sample(4)
