"""NNI's profilers wherever a cost is asked for; against its own range filter."""

from __future__ import annotations

import pytest
import torch
from nni.nas.oneshot.pytorch.profiler import RangeProfilerFilter
from nni.nas.profiler.pytorch.flops import FlopsParamsProfiler, FlopsProfiler, NumParamsProfiler

from nni_rankreg.constraint import Between, LatencyConstraint, MacsConstraint, as_costs
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.space import ProxylessNAS

IMAGE = torch.zeros(1, 3, 32, 32)


def space():
    return ProxylessNAS(10, (8,) * 9, (1, 1, 1, 1, 1, 1)).eval()


@pytest.fixture(scope='module')
def flops():
    return FlopsProfiler(space(), IMAGE)


@pytest.fixture(scope='module')
def samples():
    return UniformSampler(space(), seed=1).distinct(40)


@pytest.mark.parametrize('make, unit', [(Between, 1), (MacsConstraint, 1e6),
                                        (LatencyConstraint, 1)])
def test_constraints_decide_as_the_range_filter(flops, samples, make, unit):
    low, high = sorted(map(flops.profile, samples))[10::20]
    theirs = RangeProfilerFilter(flops, low, high)
    accept = make(flops, minimum=low / unit, maximum=high / unit)
    assert [accept(one) for one in samples] == [theirs(one) for one in samples]
    assert sum(map(accept, samples)) == 21


def test_names_of_profilers(flops, samples):
    costs = as_costs([flops, NumParamsProfiler(space(), IMAGE)])
    assert [one.name for one in costs] == ['flops', 'numparams']
    assert costs[0](samples).tolist() == [flops.profile(one) for one in samples]


def test_a_profiler_of_several_numbers(samples):
    with pytest.raises(TypeError, match='Expected a profiler of one number, got FlopsResult'):
        Between(FlopsParamsProfiler(space(), IMAGE))(samples[0])


def test_operations_with_normalisation_are_more(flops, samples):
    ours = MacsConstraint(space(), pixels=32).macs(samples)
    assert (MacsConstraint(flops).macs(samples) > ours).all()
