"""What architectures cost: names, and numbers that are none."""

from __future__ import annotations

import math

import pytest
import torch

from nni_rankreg.constraint import AdditiveLatency, LatencyConstraint, NamedCost, as_cost, as_costs

SLOW = AdditiveLatency({'x': {0: 1., 1: 3.}}, base=2.)


class Measured:
    """A cost with a name of its own."""

    name = 'pixel'

    def __init__(self, values=()):
        self.values = values

    def __call__(self, samples):
        return torch.tensor([self.values[one['x']] for one in samples])

    def watts(self, samples):
        return torch.ones(len(samples))


def width(samples):
    return torch.tensor([one['x'] for one in samples])


@pytest.mark.parametrize('cost, name', [(Measured(), 'pixel'), (width, 'width'), (SLOW, 'latency'),
                                        (Measured().watts, 'watts'), (as_cost(width), 'width')])
def test_names(cost, name):
    assert as_cost(cost).name == name


def test_numbers():
    assert as_cost(SLOW)([{'x': 0}, {'x': 1}]).tolist() == [3, 5]
    assert as_cost(width)([{'x': 7}]).dtype == torch.float64 and not len(as_cost(width)([]))


@pytest.mark.parametrize('wrong', [math.nan, math.inf, -1.])
def test_numbers_that_are_none(wrong):
    """They are told by everything that asks for a cost, with the architecture."""
    cost = Measured([1., wrong])
    with pytest.raises(ValueError, match=rf"Expected pixel of at least 0, got {wrong:g} of "
                                         r"{'x': 1}\."):
        as_cost(cost)([{'x': 0}, {'x': 1}])
    with pytest.raises(ValueError, match='Expected pixel of at least 0'):
        LatencyConstraint(cost, maximum=3.)({'x': 1})


def test_another_number_of_them():
    with pytest.raises(ValueError, match=r'Expected pixel of 2 architectures, .* got \(1,\)'):
        NamedCost(lambda samples: torch.zeros(1), 'pixel')([{'x': 0}, {'x': 1}])


@pytest.mark.parametrize('found', [None, ['fast'], [None]])
def test_no_numbers(found):
    with pytest.raises(ValueError, match='Expected pixel as a tensor of numbers, got'):
        NamedCost(lambda samples: found, 'pixel')([{'x': 0}])


def test_what_is_no_cost():
    with pytest.raises(TypeError, match='Expected a cost, .* got 3.5'):
        as_costs([3.5])


@pytest.mark.parametrize('costs', [[width, width], [SLOW, AdditiveLatency({})]])
def test_names_differ(costs):
    with pytest.raises(ValueError, match='Expected costs with names of their own, got'):
        as_costs(costs)


@pytest.mark.parametrize('name', ['score', 'metric', 'default', 'predicted',
                                  'prospective_tau'])
def test_names_of_results_are_taken(name):
    cost = Measured()
    cost.name = name
    with pytest.raises(ValueError, match=f'Expected costs with names of their own, got {name}'):
        as_costs([cost])
