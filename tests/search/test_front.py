"""The front of score and costs, against exhaustive enumeration."""

from __future__ import annotations

import itertools
import math

import nni
import pytest
import torch
from helpers.spaces import grid

from nni_rankreg.constraint import AdditiveLatency
from nni_rankreg.metric import hypervolume
from nni_rankreg.search import ParetoFront
from nni_rankreg.typing import sample_key

SPACE = grid(*[4] * 6)
EVERY = [dict(zip(SPACE, choices)) for choices in itertools.product(range(4), repeat=6)]
SLOW = AdditiveLatency({label: dict(enumerate((0., 0.7, 1.9, 2.2))) for label in SPACE}, base=1.)


class Worth:
    """A scorer in which neighbours interact; it keeps what it has been asked for."""

    def __init__(self):
        generator = torch.Generator().manual_seed(1)
        self.single = torch.rand(6, 4, generator=generator)
        self.pair = torch.rand(4, 4, generator=generator)
        self.asked, self.calls = [], []

    def __call__(self, samples):
        self.asked += samples
        self.calls.append(len(samples))
        return torch.tensor([sum(self.single[i, c] for i, c in enumerate(one.values()))
                             + sum(self.pair[a, b] for a, b in itertools.pairwise(one.values()))
                             for one in samples])


def width(samples):
    return torch.tensor([sum(choice == 3 for choice in one.values()) for one in samples])


def dominated(row, points):
    """Return whether another point is no worse in all objectives and better in one."""
    return bool(((points <= points[row]).all(1) & (points < points[row]).any(1)).any())


@pytest.mark.parametrize('costs', [[SLOW], [SLOW, width]])
def test_the_front_of_a_space_that_is_scored_as_a_whole(costs):
    scorer = Worth()
    front = ParetoFront(['score', *costs], 50, len(EVERY), progress=False)
    found = front.search(scorer, SPACE)
    points = torch.column_stack([-scorer(EVERY), *(cost(EVERY) for cost in front.costs)])
    wanted = {sample_key(EVERY[row]) for row in range(len(EVERY)) if not dominated(row, points)}
    assert set(map(sample_key, found)) == wanted and len(found) == len(wanted) > 10
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    best = found[0]
    assert best.objectives == {'score': best.score, **{
        cost.name: float(cost([best])[0]) for cost in front.costs}}


def test_evolution_finds_most_of_the_front():
    """A tenth of the space shows what covers nearly all of the hypervolume; random ones do not."""
    scorer = Worth()
    found = ParetoFront(['score', SLOW], 20, 400, progress=False).search(scorer, SPACE)
    assert len(scorer.asked) == 400 == len({sample_key(one) for one in scorer.asked})
    assert scorer.calls == [20] * 20

    def covered(samples):
        points = torch.column_stack([-scorer(samples), SLOW(samples)])
        return hypervolume(points, [0., 15.])

    asked = list(scorer.asked)
    assert covered(found) == covered(asked) > 0.98 * covered(EVERY)
    assert covered(found) > covered(EVERY[::10])
    for child in asked[20:]:
        assert any(sum(child[label] != parent[label] for label in SPACE) == 1 for parent in asked)


def test_what_is_not_accepted_is_neither_scored_nor_returned():
    scorer = Worth()
    found = ParetoFront(['score', SLOW], 20, 200, progress=False).search(
        scorer, SPACE, accept=[lambda one: one['x0'] != 3, lambda one: one['x1'] == 2])
    assert found and {(one['x0'] != 3, one['x1']) for one in scorer.asked} == {(True, 2)}


def test_seed():
    runs = [ParetoFront(['score', SLOW], 9, 60, batch=5, seed=seed, progress=False).search(
        Worth(), SPACE) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


def test_scores_that_are_no_numbers_are_left_out():
    def scorer(samples):
        return Worth()(samples).where(torch.tensor([one['x0'] > 1 for one in samples]), math.nan)

    for evaluations in (100, len(EVERY)):
        found = ParetoFront(['score', SLOW], 9, evaluations, progress=False).search(scorer, SPACE)
        assert found and all(one['x0'] > 1 for one in found)
    assert ParetoFront(['score', SLOW], 9, 30, progress=False).search(
        lambda samples: torch.full((len(samples),), math.nan), SPACE) == []


@pytest.mark.parametrize('evaluations', [100, len(EVERY)])
def test_scores_without_bounds_are_named(evaluations):
    def scorer(samples):
        return Worth()(samples).where(torch.tensor([one['x0'] > 0 for one in samples]), math.inf)

    front = ParetoFront(['score', SLOW], 9, evaluations, progress=False)
    with pytest.raises(ValueError, match="Expected score as a finite number, got inf of {'x0': 0,"):
        front.search(scorer, SPACE)


@pytest.mark.parametrize('wrong', [math.nan, -2.])
def test_costs_that_are_none_end_it(wrong):
    def price(samples):
        return torch.full((len(samples),), wrong)

    with pytest.raises(ValueError, match=f'Expected price of at least 0, got {wrong:g} of '):
        ParetoFront(['score', price], 9, 30, progress=False).search(Worth(), SPACE)


def test_it_travels_to_trials():
    front = ParetoFront(['score', SLOW, width], 9, 60, progress=False)
    again = nni.load(nni.dump(front))
    assert [one.name for one in again.costs] == ['latency', 'width']
    assert again.search(Worth(), SPACE) == front.search(Worth(), SPACE)


@pytest.mark.parametrize('objectives, message', [
    (['score', 'latency'], "Expected 'score' and costs as objectives, got 'latency'"),
    (['score'], "Expected 'score' once and at least one cost as objectives, got"),
    ([SLOW], "Expected 'score' once and at least one cost"),
    (['score', 'score', SLOW], "Expected 'score' once and at least one cost"),
    (['score', SLOW, SLOW], 'Expected costs with names of their own, got latency, latency')])
def test_objectives(objectives, message):
    with pytest.raises(ValueError, match=message):
        ParetoFront(objectives)


@pytest.mark.parametrize('sizes', [(0, 5, None), (6, 5, None), (3, 5, 0)])
def test_sizes(sizes):
    with pytest.raises(ValueError, match='Expected 1 <= population <= evaluations and a batch'):
        ParetoFront(['score', SLOW], *sizes[:2], batch=sizes[2])
