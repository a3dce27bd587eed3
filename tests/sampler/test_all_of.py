"""Several constraints as one, of any kind, here and in a trial."""

from __future__ import annotations

import itertools

import nni
import pytest
import torch
from nni.mutable import Categorical
from nni.nas.oneshot.pytorch.profiler import RangeProfilerFilter

from nni_rankreg.constraint import (
    AdditiveLatency,
    LatencyConstraint,
    MacsConstraint,
    all_of,
    as_cost,
)
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.search import Candidates, Evolution, UniformDraw
from nni_rankreg.space import ProxylessNAS
from nni_rankreg.typing import sample_key

SPACE = {label: Categorical([0, 1, 2, 3], label=label) for label in 'abcd'}
EVERY = [dict(zip('abcd', choices)) for choices in itertools.product(range(4), repeat=4)]
SLOW = AdditiveLatency({label: dict(enumerate((0., 1., 5., 2.))) for label in 'abcd'}, base=1.)


class Sum:
    """A profiler of NNI's kind."""

    def profile(self, sample):
        return sum(sample.values())


def quick(sample):
    return 1 + sum((0, 1, 5, 2)[choice] for choice in sample.values()) <= 8


def large(sample):
    return sum(sample.values()) >= 5


@pytest.mark.parametrize('constraints', [
    [LatencyConstraint(SLOW, maximum=8.), large], (quick, {'profiler': Sum(), 'min': 5}),
    [LatencyConstraint(as_cost(SLOW), maximum=8.),
     RangeProfilerFilter(Sum(), 5)]])
def test_all_must_accept(constraints):
    accept = all_of(constraints)
    wanted = [one for one in EVERY if quick(one) and large(one)]
    assert [one for one in EVERY if accept(one)] == wanted and 20 < len(wanted) < 200


def test_one_is_itself_and_none_is_none():
    assert all_of(quick) is quick and all_of([quick]) is quick
    assert all_of(None) is all_of([]) is all_of(()) is None
    assert all_of({'profiler': Sum(), 'max': 3})({'a': 3, 'b': 1}) is False


@pytest.mark.parametrize('wrong', [3, [quick, 'large'], [[quick]]])
def test_what_is_no_constraint(wrong):
    with pytest.raises(TypeError, match='Expected constraints that are functions of an archit'):
        all_of(wrong)


DRAWS = {
    'sampler': lambda several: UniformSampler(SPACE, accept=several).distinct(20),
    'candidates': lambda several: Candidates(SPACE, accept=several).random(20),
    'given': lambda several: Candidates({}, given=EVERY, accept=several).random(20),
    'huge': lambda several: Candidates(SPACE, accept=several, pool=9).random(20),
    'draw': lambda several: UniformDraw(20, accept=several).samples(SPACE),
    'evolution': lambda several: Evolution(10, 12, 3, progress=False).search(
        lambda samples: torch.zeros(len(samples)), SPACE, accept=several),
}


@pytest.mark.parametrize('draw', DRAWS.values(), ids=DRAWS)
def test_whatever_draws_takes_several(draw):
    drawn = draw([quick, large])
    assert len(drawn) > 5 and all(quick(one) and large(one) for one in drawn)


def test_the_message_has_the_numbers_that_each_has_found():
    """Each alone could be met: the numbers are those of all draws, not of what others accept."""
    several = [LatencyConstraint(SLOW, maximum=2.),
               LatencyConstraint(SLOW, minimum=12., maximum=99.)]
    with pytest.raises(ValueError, match=r'accepted by LatencyConstraint\(-inf, 2\), numbers found '
                                         r'from 1 to 21 and by LatencyConstraint\(12, 99\), '
                                         r'numbers found from 1 to 21, got none in 10000 draws'):
        UniformSampler(SPACE, accept=several).sample()


def test_several_travel_to_trials():
    space = ProxylessNAS(10, (8,) * 9, (2, 1, 2, 1, 1, 1))
    several = [MacsConstraint(space, maximum=0.4, pixels=32),
               MacsConstraint(space, minimum=0.3, pixels=32)]
    samples = UniformSampler(space, seed=3).distinct(60)
    kept = [sample_key(one) for one in samples if all_of(several)(one)]
    for copy in (nni.load(nni.dump(several)), nni.load(nni.dump(all_of(several)))):
        assert [sample_key(one) for one in samples if all_of(copy)(one)] == kept
    assert 10 < len(kept) < 30
