"""Uniform draws, against exhaustive enumeration, closed forms and NNI's own draws."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from helpers.spaces import constrained, grid, mixed
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

from nni_rankreg.sampler import LandmarkSampler, UniformSampler, hamming_distance
from nni_rankreg.typing import sample_key

sizes = st.lists(st.integers(1, 4), min_size=1, max_size=5).filter(lambda x: max(x) > 1)
seeds = st.integers(0, 2 ** 31 - 1)


def keys(samples):
    return [sample_key(sample) for sample in samples]


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


@pytest.mark.slow
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
    ({'x0': 1}, r"Expected an architecture with the labels \['x0', 'x1'\], got no 'x1'"),
    ({'x0': 1, 'x1': 1, 'y': 1}, "Expected an architecture with the labels .* got 'y' besides"),
    ({'x0': 1, 'x1': 7}, r"Expected one of \[0, 1\] as 'x1' of an architecture, got 7"),
    ([0, 1], r'Expected an architecture as a dict, label to choice, got \[0, 1\]'),
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
