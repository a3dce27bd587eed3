"""What every cost promises: numbers in its unit, at least 0, more of them for more work."""

from __future__ import annotations

import inspect

import nni
import pytest
import torch
from helpers.counter import Counter
from nni.nas.profiler.pytorch.flops import FlopsProfiler

from nni_rankreg import constraint
from nni_rankreg.constraint import (
    AdditiveLatency,
    CostScorer,
    MeasuredLatency,
    NamedCost,
    as_cost,
)
from nni_rankreg.constraint.measured import latency
from nni_rankreg.search import ParetoFront
from nni_rankreg.space import ProxylessNAS


def make_space():
    return ProxylessNAS(10, (8,) * 9, (1, 1, 1, 1, 1, 1)).eval()


SPACE = make_space()
CHOICES = {label: leaf.values for label, leaf in SPACE.simplify().items()}
SMALL, LARGE = ({label: choices[place] for label, choices in CHOICES.items()} for place in (0, 5))

COSTS = {
    AdditiveLatency: lambda: AdditiveLatency({label: {one: place for place, one in enumerate(
        choices)} for label, choices in CHOICES.items()}, base=3.),
    NamedCost: lambda: NamedCost(lambda samples: torch.tensor([
        list(one.values()).count('k7e6') for one in samples]), 'widest'),
    MeasuredLatency: lambda: MeasuredLatency(make_space(), (3, 32, 32), networks=12, repeats=1,
                                             progress=False),
    FlopsProfiler: lambda: FlopsProfiler(make_space(), torch.zeros(1, 3, 32, 32)),
}
every_cost = pytest.mark.parametrize('make', COSTS.values(), ids=[one.__name__ for one in COSTS])


@pytest.fixture(autouse=True)
def counted(monkeypatch):
    """Count operations in place of milliseconds, which a busy machine makes equal."""
    monkeypatch.setattr(latency, 'Stopwatch', Counter)


def test_none_is_missing():
    """Whatever answers for several architectures is a cost, but for what makes a scorer of one."""
    calls = {one.__call__ for one in vars(constraint).values() if inspect.isclass(one)}
    asked = {call for call in calls if 'samples' in inspect.signature(call).parameters}
    assert asked == {one.__call__ for one in {*COSTS, CostScorer, constraint.Cost}
                     - {FlopsProfiler}}


@every_cost
def test_lower_is_better_and_nothing_is_negative(make):
    cost = make()
    named = as_cost(cost)
    small, large = named([SMALL, LARGE]).tolist()
    assert 0 <= small < large
    if callable(cost):
        assert cost([SMALL, LARGE]).tolist() == [small, large]


@every_cost
def test_the_adapter_makes_a_scorer_that_finds_the_cheapest(make):
    """A front of a cost and of the scorer of the same cost has one member: the cheapest."""
    cost = make()
    scorer = CostScorer(cost)
    assert scorer([LARGE, SMALL]).argmax() == 1 and scorer.name == as_cost(cost).name
    found = ParetoFront(['score', cost], 5, 20, progress=False).search(scorer, SPACE)
    assert len({one.score for one in found}) == 1
    assert found[0].objectives == {'score': found[0].score, scorer.name: -found[0].score}


def test_the_adapter_travels():
    scorer = CostScorer(COSTS[AdditiveLatency]())
    again = nni.load(nni.dump(scorer))
    assert again([SMALL, LARGE]).tolist() == scorer([SMALL, LARGE]).tolist() == [-3, -33]


def test_the_adapter_refuses_what_is_no_cost():
    with pytest.raises(TypeError, match='Expected a cost, .* got 3.5'):
        CostScorer(3.5)
