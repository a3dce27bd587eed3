"""Filters by a number, in everything that draws architectures."""

from __future__ import annotations

import itertools
import math

import nni
import pytest
import torch
from nni.mutable import Categorical
from scipy.stats import chisquare

from nni_rankreg.constraint import Between, MacsConstraint
from nni_rankreg.sampler import LandmarkSampler, MarginPairSampler, UniformSampler, hamming_distance
from nni_rankreg.space import NasBench201, ProxylessNAS, ResNet48
from nni_rankreg.typing import sample_key

SPACE = {label: Categorical([0, 1, 2, 3], label=label) for label in 'abcd'}
EVERY = [dict(zip('abcd', choices)) for choices in itertools.product(range(4), repeat=4)]


def measure(samples):
    return torch.tensor([float(sum(one.values())) for one in samples])


@pytest.mark.parametrize('bounds, total', [((3, 5), (3, 4, 5)), ((11, math.inf), (11, 12)),
                                           ((-math.inf, 0), (0,)), ((6, 6), (6,))])
def test_bounds_are_included(bounds, total):
    accept = Between(measure, *bounds)
    assert {sample_key(one) for one in EVERY if accept(one)} == {
        sample_key(one) for one in EVERY if sum(one.values()) in total}
    assert (accept.lowest, accept.highest) == (0, 12)


def test_a_number_that_is_none_is_not_accepted():
    accept = Between(lambda samples: torch.tensor([math.nan] * len(samples)))
    assert not accept({})
    assert str(accept) == 'Between(-inf, inf)'


@pytest.mark.parametrize('bounds, message', [
    ((2, 1), 'Expected a minimum up to the maximum, got the minimum 2 and the maximum 1'),
    ((math.nan, 1), 'Expected a number as minimum, got nan'),
    ((0, math.nan), 'Expected a number as maximum, got nan'),
    ((None, 1), 'Expected a number as minimum, got None'),
    ((0, '5'), "Expected a number as maximum, got '5'")])
def test_bounds_must_leave_something(bounds, message):
    with pytest.raises(ValueError, match=message):
        Between(measure, *bounds)


def test_what_tells_no_number():
    with pytest.raises(TypeError, match='Expected a function of architectures or a profiler, got '
                                        "'latency'"):
        Between('latency', maximum=3)


def test_uniform_draws_are_uniform_over_what_is_accepted():
    sampler = UniformSampler(SPACE, accept=Between(measure, 2, 2))
    feasible = [sample_key(one) for one in EVERY if sum(one.values()) == 2]
    drawn = [sample_key(sampler.sample()) for _ in range(100 * len(feasible))]
    assert set(drawn) == set(feasible) and len(feasible) == 10
    assert chisquare([drawn.count(key) for key in feasible]).pvalue > 1e-3


def test_all_of_a_small_set_are_found_and_no_more():
    sampler = UniformSampler(SPACE, accept=Between(measure, 0, 2))
    found = sampler.distinct(15)
    assert len({sample_key(one) for one in found}) == 15 and max(measure(found)) <= 2
    with pytest.raises(ValueError, match='with 16 different architectures, 0 excluded, got 15'):
        sampler.distinct(16)


@pytest.mark.parametrize('total, distances', [((4, 6), {1}), ((5, 5), {2})])
def test_mutants_are_as_near_as_the_filter_allows(total, distances):
    """No single change keeps the sum; two changes do."""
    sampler = UniformSampler(SPACE, accept=Between(measure, *total))
    parent = {'a': 3, 'b': 1, 'c': 1, 'd': 0}
    mutants = [sampler.mutate(parent) for _ in range(50)]
    assert {hamming_distance(parent, one) for one in mutants} == distances
    assert all(total[0] <= value <= total[1] for value in measure(mutants))


def test_a_parent_need_not_be_accepted():
    sampler = UniformSampler(SPACE, accept=Between(measure, 0, 3))
    assert sum(sampler.mutate({'a': 3, 'b': 1, 'c': 0, 'd': 0}).values()) <= 3


@pytest.mark.parametrize('pairwise', [False, True])
def test_landmarks_are_accepted_ones(pairwise):
    accept = Between(measure, 5, 7)
    landmarks = LandmarkSampler(SPACE, threshold=1, pairwise=pairwise, accept=accept).sample(8)
    assert all(5 <= value <= 7 for value in measure(landmarks))
    assert all(hamming_distance(landmarks[0], one) > 1 for one in landmarks[1:])


def test_pairs_are_of_accepted_ones():
    accept = Between(measure, 1, 2)
    sampler = MarginPairSampler('hamming', 3).over(SPACE, accept)
    pairs = [sampler.sample() for _ in range(200)]
    assert {float(value) for pair in pairs for value in measure(pair)} == {1., 2.}
    feasible = [one for one in EVERY if sum(one.values()) in (1, 2)]
    far = sum(hamming_distance(a, b) >= 3 for a in feasible for b in feasible)
    assert sampler.acceptance_rate == pytest.approx(far / len(feasible) ** 2, abs=0.08)


@pytest.mark.parametrize('draw', [
    lambda accept: UniformSampler(SPACE, accept=accept).sample(),
    lambda accept: UniformSampler(SPACE, accept=accept).mutate(EVERY[0]),
    lambda accept: LandmarkSampler(SPACE, accept=accept).sample(2),
    lambda accept: MarginPairSampler().over(SPACE, accept).sample()])
def test_an_infeasible_filter_tells_the_range(draw):
    accept = Between(measure, 12.5)
    with pytest.raises(ValueError, match=r'is accepted by Between\(12.5, inf\), numbers found '
                                         r'from \d+ to 1\d, got none in 10000 draws'):
        draw(accept)


@pytest.mark.slow
@pytest.mark.parametrize('space, pixels', [(ProxylessNAS(10, (8,) * 9), 32),
                                           (ResNet48(10, (16, 16, 24, 24)), 64)])
def test_multiply_accumulates_here_and_in_a_trial(space, pixels):
    samples = UniformSampler(space, seed=3).distinct(60)
    macs = [space.cost(one, pixels).macs for one in samples]
    low, high = sorted(macs)[20], sorted(macs)[40]
    accept = MacsConstraint(space, minimum=low / 1e6, maximum=high / 1e6, pixels=pixels)
    copy = nni.load(nni.dump(accept))
    for constraint in (accept, copy):
        assert [constraint(one) for one in samples] == [low <= one <= high for one in macs]
    assert accept.highest == max(macs) / 1e6


def test_multiply_accumulates_of_a_space_that_has_none():
    with pytest.raises(TypeError, match='Expected a space that knows the cost .* got NasBench201'):
        MacsConstraint(NasBench201(4, 1), maximum=1.)
