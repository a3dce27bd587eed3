"""Pairs that are a margin apart, against exhaustive enumeration and published shares."""

from __future__ import annotations

import itertools
from collections import Counter

import nni
import numpy as np
import pytest
from nni.mutable import Categorical
from scipy.stats import binomtest, chisquare

from nni_rankreg.sampler import MarginPairSampler, group_distance, hamming_distance
from nni_rankreg.space import NasBench201, choice_parameters
from nni_rankreg.space.nasbench201 import CHOICES, EDGES
from nni_rankreg.typing import sample_key

PARAMETRIC = ('conv_1x1', 'conv_3x3')
GROUPS = {f'cell/{i}_{j}': {name: name in PARAMETRIC for name in CHOICES} for i, j in EDGES}
GROUPS_WITHOUT_NONE = {label.replace('/', '_'): groups for label, groups in GROUPS.items()}


def shares(operations, step):
    """Return the exact distribution of the sum over six edges: distance -> share of all pairs."""
    edge = Counter(step(a, b) for a, b in itertools.product(operations, repeat=2))
    total = Counter({0.: 1})
    for _ in range(6):
        total = _convolved(total, edge)
    return {distance: count / len(operations) ** 12 for distance, count in total.items()}


def _convolved(total, edge):
    result = Counter()
    for (a, m), (b, n) in itertools.product(total.items(), edge.items()):
        result[a + b] += m * n
    return result


def step(a, b):
    """Return the group distance of one edge, written out."""
    return 0. if a == b else 0.5 if (a in PARAMETRIC) == (b in PARAMETRIC) else 2.


def without_none():
    labels = [f'cell_{i}_{j}' for i, j in EDGES]
    names = [name for name in CHOICES if name != 'none']
    return {label: Categorical(names, label=label) for label in labels}


@pytest.mark.parametrize('operations, published', [
    (list(CHOICES), 0.5154), ([name for name in CHOICES if name != 'none'], 0.5000)])
def test_exact_share_at_the_published_margin(operations, published):
    """The enumeration itself reproduces the published shares, to four digits."""
    distances = shares(operations, step)
    assert sum(share for d, share in distances.items() if d >= 6.7) == pytest.approx(
        published, abs=5e-5)


@pytest.mark.parametrize('make, groups, published', [
    (NasBench201, GROUPS, 0.5154), (without_none, GROUPS_WITHOUT_NONE, 0.5)])
def test_acceptance_rate(make, groups, published):
    sampler = MarginPairSampler('group', 6.7, groups=groups, seed=1).over(make())
    assert np.isnan(sampler.acceptance_rate)
    pairs = [sampler.sample() for _ in range(4000)]
    assert all(group_distance(*pair, groups) >= 6.7 for pair in pairs)
    assert binomtest(sampler.accepted, sampler.drawn, published).pvalue > 1e-3
    assert sampler.acceptance_rate == sampler.accepted / sampler.drawn


@pytest.mark.slow
def test_groups_come_from_the_parameters():
    derived = choice_parameters(NasBench201(4, 1, 10))
    assert {label: {name: size > 0 for name, size in sizes.items()}
            for label, sizes in derived.items()} == GROUPS
    pairs = [[MarginPairSampler('group', 6.7, groups=groups, seed=3).over(NasBench201()).sample()
              for _ in range(3)] for groups in (None, GROUPS)]
    assert pairs[0] == pairs[1]


@pytest.mark.parametrize('name', ['DARTS', 'ProxylessNAS', 'MobileNetV3', 'AutoFormer'])
def test_any_space(name, make_space):
    space = make_space(name)
    sampler = MarginPairSampler('group', 2., seed=0).over(space)
    for first, second in (sampler.sample() for _ in range(10)):
        assert first.keys() == second.keys() == space.simplify().keys()
        assert first != second


def test_uniform_over_all_pairs_that_are_far_enough():
    space = {'a': Categorical('xyz', label='a'), 'b': Categorical('pq', label='b')}
    sampler = MarginPairSampler('hamming', 2, seed=5).over(space)
    everything = [dict(a=a, b=b) for a in 'xyz' for b in 'pq']
    far = [(sample_key(a), sample_key(b)) for a, b in itertools.product(everything, repeat=2)
           if hamming_distance(a, b) >= 2]
    drawn = Counter(tuple(map(sample_key, sampler.sample())) for _ in range(6000))
    assert set(drawn) == set(far)
    assert chisquare([drawn[pair] for pair in far]).pvalue > 1e-3


def test_distance_by_a_function_and_a_filter():
    space = {'n': Categorical(range(10), label='n')}
    sampler = MarginPairSampler(lambda a, b: abs(a['n'] - b['n']), 7).over(
        space, accept=lambda sample: sample['n'] != 0)
    pairs = [sampler.sample() for _ in range(200)]
    assert {frozenset((a['n'], b['n'])) for a, b in pairs} == {
        frozenset(pair) for pair in ((1, 8), (1, 9), (2, 9))}


@pytest.mark.parametrize('distance, margin, largest', [('hamming', 7, '6'), ('group', 12.5, '12')])
def test_an_impossible_margin_tells_the_largest(distance, margin, largest):
    with pytest.raises(ValueError, match=f'at most {largest}, the largest {distance} distance'):
        MarginPairSampler(distance, margin).over(NasBench201(4, 1, 10))
    MarginPairSampler(distance, float(largest)).over(NasBench201(4, 1, 10)).sample()


def test_a_margin_that_only_a_function_knows_ends(monkeypatch):
    monkeypatch.setattr('nni_rankreg.sampler.margin_pair.ATTEMPTS', 50)
    sampler = MarginPairSampler(lambda a, b: 0., 1.).over(without_none())
    with pytest.raises(ValueError, match='distance of at least 1.0, got none in 50 draws'):
        sampler.sample()


@pytest.mark.parametrize('arguments, message', [
    (('euclid', 1.), "Expected a distance of 'hamming', 'group' or a function, got 'euclid'"),
    (('hamming', -1.), 'Expected a margin of at least 0, got -1.0'),
    (('group', float('nan')), 'Expected a margin of at least 0, got nan')])
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        MarginPairSampler(*arguments)


def test_groups_are_needed_without_a_model():
    with pytest.raises(ValueError, match='Expected a model space .* got dict: give groups'):
        MarginPairSampler('group', 1.).over(without_none())


def test_same_seed_same_pairs_also_after_a_round_trip():
    first = MarginPairSampler('hamming', 5, seed=7)
    second = nni.load(nni.dump(first))
    space = NasBench201(4, 1, 10)
    pairs, others = first.over(space), second.over(space)
    assert [pairs.sample() for _ in range(3)] == [others.sample() for _ in range(3)]
    assert first.over(space).sample() == second.over(space).sample()  # from the seed on
