"""The control of equal cost, on a super-net whose losses are known."""

from __future__ import annotations

import pytest
from helpers.toy import ALWAYS, RESULTS, SAMPLES, Toy, gradient

from nni_rankreg.regularizer import EqualCostControl, TermContext
from nni_rankreg.schedule import Schedule
from nni_rankreg.typing import Results


@pytest.mark.parametrize('count', [1, 3])
def test_control_is_the_loss_of_more_architectures(count):
    toy = Toy()
    loss = EqualCostControl(count, schedule=ALWAYS).term(TermContext()).loss(toy, 2., epoch=0)
    assert toy.asked == SAMPLES[:count]
    assert loss.item() == 2 * sum((2., 1., 3.)[:count])
    assert gradient(toy, loss) == [2.] * count + [0.] * (4 - count)


def test_control_has_no_weight_but_the_warmup_of_a_ranking_term():
    toy, schedule = Toy(), Schedule(warmup=4)
    control = EqualCostControl(1, schedule=schedule).term(TermContext())
    values = [control.loss(toy, 1., epoch) for epoch in range(10)]
    assert [value is None for value in values] == [epoch < 4 for epoch in range(10)]
    assert {value.item() for value in values[4:]} <= {2., 1., 3., 5.}  # not scheduled
    assert len(toy.asked) == 6


def test_control_has_seen_nothing():
    term = EqualCostControl(2).term(TermContext(results=RESULTS, warmed_up=True))
    assert term.results == Results([], [], 'max') and term.schedule.warmup == 0


def test_a_count_of_none():
    with pytest.raises(ValueError, match='Expected a count of at least 1, got 0'):
        EqualCostControl(0)
