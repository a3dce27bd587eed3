"""Samplers, against exhaustive enumeration, closed forms and NNI's own draws."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest
import torch
from helpers.spaces import mixed
from hypothesis import given, settings
from hypothesis import strategies as st
from nni.mutable import (
    Categorical,
    CategoricalMultiple,
    ExpressionConstraint,
    MutableList,
    Numerical,
)
from nni.nas.hub.pytorch import DARTS, NasBench101, NasBench201
from nni.nas.strategy import RandomOneShot
from scipy.stats import chisquare

from nni_rankreg.sampler import LandmarkSampler, PairSampler, UniformSampler, hamming_distance
from nni_rankreg.typing import sample_key


def grid(*sizes):
    """Return a space of one label for each size, with the choices 0, 1, ..."""
    return {f'x{i}': Categorical(range(n), label=f'x{i}') for i, n in enumerate(sizes)}


def keys(samples):
    return [sample_key(sample) for sample in samples]


sizes = st.lists(st.integers(1, 4), min_size=1, max_size=5).filter(lambda x: max(x) > 1)
seeds = st.integers(0, 2 ** 31 - 1)


# Hamming distance

@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=8))
def test_hamming_counts_unequal_positions(pairs):
    a = {str(i): x for i, (x, _) in enumerate(pairs)}
    b = dict(reversed([(str(i), y) for i, (_, y) in enumerate(pairs)]))
    expected = int((np.array(pairs).reshape(-1, 2) @ [1, -1] != 0).sum())
    assert hamming_distance(a, b) == hamming_distance(b, a) == expected


def test_hamming_refuses_other_labels():
    with pytest.raises(ValueError, match=r"Expected two architectures of one space.*'a'.*'b'"):
        hamming_distance({'a': 1}, {'b': 1})


# Uniform

def test_uniform_over_the_whole_space():
    sampler = UniformSampler(grid(2, 3, 4), seed=3)
    counts = Counter(keys(sampler.sample() for _ in range(24 * 200)))
    assert len(counts) == 24
    assert chisquare(list(counts.values())).pvalue > 1e-3


@pytest.mark.parametrize('label', ['a', 'b', 'c', 'd'])
def test_draws_as_nni_does(label):
    leaf = mixed().simplify()[label]
    sampler = UniformSampler({label: leaf}, seed=1)
    ours = Counter(keys(sampler.sample() for _ in range(4000)))
    state = np.random.RandomState(2)
    theirs = Counter(keys({label: leaf.random({}, state)} for _ in range(4000)))
    assert set(ours) == set(theirs)
    table = np.array([[ours[key], theirs[key]] for key in ours])
    expected = table.sum(axis=1, keepdims=True).repeat(2, axis=1) / 2
    statistic = ((table - expected) ** 2 / expected).sum()
    assert statistic < 30            # chi-square of at most 3 degrees of freedom: p < 1e-5


def test_draws_as_a_one_shot_super_net_resamples():
    space = NasBench201(4, 1, 10)
    modules = [module for module in RandomOneShot().mutate_model(space).modules()
               if hasattr(module, 'resample')]

    def resample():
        memo: dict = {}
        for module in modules:
            memo.update(module.resample(memo))
        return memo

    sampler = UniformSampler(space)
    ours = [sampler.sample() for _ in range(1500)]
    theirs = [resample() for _ in range(1500)]
    assert ours[0].keys() == theirs[0].keys()
    for label in ours[0]:
        a, b = (Counter(sample[label] for sample in samples) for samples in (ours, theirs))
        table = np.array([[a[choice], b[choice]] for choice in a])
        expected = table.sum(axis=1, keepdims=True).repeat(2, axis=1) / 2
        assert ((table - expected) ** 2 / expected).sum() < 35         # 4 degrees of freedom


def test_weights_are_respected():
    sampler = UniformSampler(
        {'a': Categorical('pqrs', weights=[0.5, 0.3, 0., 0.2], label='a')}, seed=5)
    counts = Counter(sampler.sample()['a'] for _ in range(5000))
    assert set(counts) == set('pqs')
    assert chisquare([counts[c] for c in 'pqs'], [2500, 1500, 1000]).pvalue > 1e-3
    assert sorted(sample['a'] for sample in sampler.distinct(3)) == ['p', 'q', 's']
    assert {sampler.mutate({'a': 'p'})['a'] for _ in range(50)} == {'q', 's'}
    with pytest.raises(ValueError, match=r'got 3\.'):
        sampler.distinct(4)


def test_numbers_are_floats_of_the_distribution():
    sampler = UniformSampler({'x': Numerical(2, 4, label='x')})
    drawn = [sampler.sample()['x'] for _ in range(500)]
    assert {type(x) for x in drawn} == {float} and 2 <= min(drawn) < 2.1 < 3.9 < max(drawn) <= 4


@pytest.mark.parametrize('space', [NasBench201(4, 1, 10), DARTS(), NasBench101(8, 1, 1), mixed()],
                         ids=lambda space: type(space).__name__)
def test_hub_samples_are_valid_and_can_be_mutated(space):
    sampler = UniformSampler(space)
    labels = {label for label, leaf in space.simplify().items()
              if isinstance(leaf, (Categorical, CategoricalMultiple, Numerical))}
    for _ in range(20):
        sample = sampler.sample()
        child = sampler.mutate(sample)
        assert set(sample) == set(child) == labels
        assert hamming_distance(sample, child) == 1
        assert space.contains(dict(sample)) and space.contains(dict(child))


def test_mutation_is_uniform_over_labels_and_choices():
    sampler = UniformSampler(grid(1, 2, 3), seed=2)
    parent = {'x0': 0, 'x1': 1, 'x2': 2}
    counts = Counter(keys(sampler.mutate(parent) for _ in range(4000)))
    expected = {sample_key({**parent, 'x1': 0}): 2000, sample_key({**parent, 'x2': 0}): 1000,
                sample_key({**parent, 'x2': 1}): 1000}
    assert set(counts) == set(expected) and parent == {'x0': 0, 'x1': 1, 'x2': 2}
    assert chisquare([counts[key] for key in expected], list(expected.values())).pvalue > 1e-3


@settings(max_examples=40, deadline=None)
@given(sizes, seeds, st.data())
def test_distinct_can_take_everything_that_is_not_excluded(shape, seed, data):
    space = grid(*shape)
    total = math.prod(shape)
    excluded = [dict(zip(space, choices)) for choices in
                itertools.product(*map(range, shape))][:data.draw(st.integers(0, total))]
    left = total - len(excluded)
    drawn = UniformSampler(space, seed).distinct(left, exclude=excluded)
    assert len(set(keys(drawn)) | set(keys(excluded))) == len(drawn) + len(excluded) == total
    with pytest.raises(ValueError, match=rf'Expected a space with {left + 1} .*got {left}\.'):
        UniformSampler(space, seed).distinct(left + 1, exclude=excluded)


def constrained():
    a, b = Categorical(range(10), label='a'), Categorical(range(10), label='b')
    return MutableList([a, b, ExpressionConstraint(a + b == 9, label='sum')])


def test_constraints_hold():
    sampler = UniformSampler(constrained())
    assert sorted(s['a'] for s in sampler.distinct(10)) == list(range(10))
    assert all(s['a'] + s['b'] == 9 for s in (sampler.sample() for _ in range(20)))
    with pytest.raises(ValueError, match=r'Expected a space with 11 different .*got 10\.'):
        sampler.distinct(11)
    mutant = sampler.mutate({'a': 4, 'b': 5})  # one changed label cannot keep the sum, two can
    assert mutant['a'] + mutant['b'] == 9 and mutant['a'] != 4
    with pytest.raises(ValueError, match='Expected an architecture that satisfies'):
        sampler.mutate({'a': 4, 'b': 4})


def test_impossible_constraint_ends():
    a = Categorical([1, 2], label='a')
    sampler = UniformSampler(MutableList([a, ExpressionConstraint(a == 3, label='never')]))
    with pytest.raises(ValueError, match='Expected a sample that satisfies.*got none in 10000'):
        sampler.sample()


@pytest.mark.parametrize('space, message', [
    (3, 'Expected an NNI space or what its simplify.* got int'),
    ({'a': 3}, 'Expected an NNI space or what its simplify'),
    ({}, 'Expected a space with at least one label to choose'),
])
def test_refuses_what_is_no_space(space, message):
    with pytest.raises(ValueError, match=message):
        UniformSampler(space)


@pytest.mark.parametrize('sample, message', [
    ({'x0': 1}, r"Expected an architecture with the labels \['x0', 'x1'\], got \['x0'\]"),
    ({'x0': 1, 'x1': 1, 'y': 1}, 'Expected an architecture with the labels'),
    ({'x0': 1, 'x1': 7}, 'Expected an architecture of the space, got'),
])
def test_refuses_samples_of_another_space(sample, message):
    for act in (UniformSampler(grid(2, 2)).mutate,
                lambda sample: UniformSampler(grid(2, 2)).distinct(1, exclude=[sample]),
                lambda sample: LandmarkSampler(grid(2, 2)).sample(2, root=sample)):
        with pytest.raises(ValueError, match=message):
            act(sample)


def test_what_a_constraint_wrote_into_a_sample_does_not_matter():
    space = NasBench101(8, 1, 1)
    sampler = UniformSampler(space)
    sample = sampler.sample()
    frozen = dict(sample)
    space.validate(frozen)
    assert frozen != sample                    # NNI adds the pruned cell
    assert sampler.mutate(frozen).keys() == sample.keys()


# Landmarks

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
        assert min(map(lambda pair: hamming_distance(*pair),
                       itertools.combinations(landmarks, 2))) > threshold


def test_pairwise_default_leaves_half_of_the_space():
    sampler = LandmarkSampler(grid(*[5] * 6), pairwise=True)
    # Balls of radius 5 would fit, too, but fill 11529 of 15625.
    assert {hamming_distance(*sampler.sample(2)) for _ in range(60)} == {5, 6}


def test_pairwise_reports_how_many_fit():
    # Codes of length 2 over 3 letters that differ in both: 3 at most.
    assert len(LandmarkSampler(grid(3, 3), threshold=1, pairwise=True).sample(3)) == 3
    with pytest.raises(ValueError, match='Expected at most 3 landmarks at pairwise .*count=4'):
        LandmarkSampler(grid(3, 3), threshold=1, pairwise=True).sample(4)


# Pairs

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
