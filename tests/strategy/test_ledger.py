"""What a search learns from, if more is known than a predictor can learn."""

from __future__ import annotations

from nni_rankreg.plan import Failure
from nni_rankreg.strategy.ledger import Ledger
from nni_rankreg.typing import Results


def ledger(known, own):
    made = Ledger(Results([{'x': x} for x in range(known)], [float(x) for x in range(known)]))
    made.enter([{'own': x} for x in range(own)], [-1.] * own)
    made.enter([{'failed': 0}], [Failure('')])
    return made


def test_all_results_of_a_search_are_learnt_from_and_some_known_ones():
    learnt = ledger(1000, 30).to_learn(50)
    found = list(learnt.pairs())
    assert found[:10] == [({'x': x}, float(x)) for x in range(999, 989, -1)]       # the best
    others = [sample['x'] for sample, _ in found[10:20]]
    assert len(set(others)) == 10 and max(others) < 990 and min(others) < 500      # and of all
    assert found[20:] == [({'own': x}, -1.) for x in range(30)]
    assert ledger(1000, 30).to_learn(50) == learnt


def test_few_results_are_all_learnt_from():
    one = ledger(40, 10)
    assert one.to_learn(50) == one.results


def test_results_of_a_long_search_leave_no_room_for_known_ones():
    learnt = ledger(1000, 60).to_learn(50)
    assert learnt.samples == [{'own': x} for x in range(60)]


def test_known_results_have_cost_no_training():
    one = ledger(5, 2)
    assert one.own == [{'own': 0}, {'own': 1}, {'failed': 0}] and one.trainings == 3
    assert len(one.tried) == 8
