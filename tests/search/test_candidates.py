"""What a search proposes: all of a small space, random draws and an evolution over a huge one."""

from __future__ import annotations

import itertools

import pytest
import torch
from helpers.spaces import grid
from nni.mutable import Categorical, CategoricalMultiple, ExpressionConstraint, MutableDict

from nni_rankreg.search import Candidates
from nni_rankreg.search import candidates as candidates_module
from nni_rankreg.space import NasBench201, canonical_form
from nni_rankreg.typing import sample_key


def total(samples):
    return torch.tensor([float(sum(sample.values())) for sample in samples])


def keys(samples):
    return set(map(sample_key, samples))


class Counting:
    """A scorer that remembers what it has scored."""

    def __init__(self):
        self.seen = []

    def __call__(self, samples):
        self.seen += samples
        return total(samples)


def test_small_space_is_ranked_as_a_whole():
    scorer = Counting()
    best = Candidates(grid(3, 4, 2)).best(scorer, 3)
    assert best[0] == {'x0': 2, 'x1': 3, 'x2': 1}
    every = {sample_key({'x0': a, 'x1': b, 'x2': c})
             for a, b, c in itertools.product(range(3), range(4), range(2))}
    assert keys(scorer.seen) == every and len(scorer.seen) == len(every)
    assert len(Candidates(grid(3, 4, 2)).best(total, 99)) == 24


def test_constraints_of_the_space_hold():
    space = grid(4, 4)
    below = ExpressionConstraint(space['x0'] < space['x1'], label='below')
    space = MutableDict(**space, below=below)
    found = Candidates(space).best(total, 99)
    assert len(found) == 6 and all(sample['x0'] < sample['x1'] for sample in found)
    huge = Candidates(space, pool=3, seed=1).random(6)
    assert keys(huge) == keys(found)


@pytest.mark.parametrize('pool', [5, 100])
def test_excluded_and_refused_are_neither_drawn_nor_scored(pool):
    even = Candidates(grid(5, 5), accept=lambda sample: sample['x0'] % 2 == 0, pool=pool)
    excluded, scorer = [{'x0': 4, 'x1': 4}, {'x0': 4, 'x1': 3}], Counting()
    best = even.best(scorer, 3, excluded, generations=2 if pool == 5 else 1)
    drawn = even.random(99, excluded)
    assert len(drawn) == len(keys(drawn)) == 13
    for sample in [*scorer.seen, *best, *drawn]:
        assert sample['x0'] % 2 == 0 and sample not in excluded


def parity(sample):
    """Return a text that architectures share whose sums are both even or both odd."""
    return str(sum(sample.values()) % 2)


@pytest.mark.parametrize('pool', [5, 100])
def test_one_of_each_form(pool):
    def make(**options):
        return Candidates(grid(5, 5, 5), pool=pool, form=parity, **options)
    assert sorted(map(parity, make().random(99))) == ['0', '1']
    assert list(map(parity, make().random(99, [{'x0': 1, 'x1': 1, 'x2': 0}]))) == ['1']
    scorer = Counting()
    best = make().best(scorer, 9, [{'x0': 1, 'x1': 0, 'x2': 0}], generations=2)
    assert list(map(parity, best)) == ['0'] and scorer.seen == best
    assert make().random(9, [{'x0': x, 'x1': 0, 'x2': 0} for x in (0, 1)]) == []


def test_first_of_the_given_stands_for_its_form():
    given, formed = [{'x0': 2}, {'x0': 4}, {'x0': 3}, {'x0': 1}], []

    def form(sample):
        formed.append(sample)
        return parity(sample)
    candidates = Candidates(grid(9), given=given, accept=lambda one: one['x0'] != 2, form=form)
    for _ in range(3):
        assert candidates.best(total, 9) == [{'x0': 4}, {'x0': 3}]
    assert formed == given[1:]        # once each, not for each call


def test_cells_of_a_benchmark_and_their_functions():
    space = NasBench201(4, 1)
    candidates = Candidates(space, form=canonical_form(space))
    every = candidates.random(15_625)
    assert len(every) == 6_466
    assert candidates.random(9, exclude=every) == []


def test_given_architectures_only():
    given = [{'x0': 0}, {'x0': 2}, {'x0': 1}]
    candidates = Candidates(grid(100), given=given)
    assert candidates.best(total, 2) == [{'x0': 2}, {'x0': 1}]
    assert keys(candidates.random(9)) == keys(given)


def test_evolution_scores_the_pool_and_beats_random_draws():
    space = grid(*[6] * 12)
    scorer = Counting()
    best = Candidates(space, pool=1000, seed=3).best(scorer, 4, generations=10)
    assert len(scorer.seen) == len(keys(scorer.seen)) == 1000
    assert total(best).tolist() == total(scorer.seen).topk(4).values.tolist()
    drawn = Candidates(space, pool=1000, seed=3).best(total, 1)
    assert total(best)[0] > total(drawn)[0] + 5


def test_children_differ_in_one_choice_from_a_good_parent():
    scorer = Counting()
    Candidates(grid(*[6] * 12), pool=200, seed=0).best(scorer, 1, generations=2)
    first, children = scorer.seen[:100], scorer.seen[100:]
    parents = sorted(first, key=lambda sample: -sum(sample.values()))[:5]
    for child in children:
        assert min(sum(child[x] != parent[x] for x in child) for parent in parents) == 1


def test_neighbours_of_the_best_are_not_drawn_at_random():
    """In a fixed pool, which grows by them; what is drawn stays a sample of the space."""
    candidates = Candidates(grid(*[6] * 12), pool=50, fixed=True, seed=0)
    drawn, sampled = keys(candidates.random(50)), keys(candidates.sample(50))
    best = candidates.best(total, 1)
    for _ in range(10):
        best = candidates.best(total, 1, around=best)
    assert total(best) > max(total(candidates.random(50)))
    assert keys(candidates.random(999)) == drawn == sampled == keys(candidates.sample(999))


def test_same_seed_same_draws():
    def draws(seed, pool=10):
        candidates = Candidates(grid(*[6] * 5), pool=pool, seed=seed)
        return candidates.random(4), candidates.best(total, 2, generations=2)
    assert draws(1) == draws(1) != draws(2)
    assert draws(1, 10 ** 4) == draws(1, 10 ** 4)


def test_continuous_and_multiple_choices_are_drawn():
    space = {'x': CategoricalMultiple(range(20), n_chosen=5, label='x')}       # too many to list
    assert len(Candidates(space, pool=10 ** 6).random(7)) == 7


def test_nothing_is_accepted():
    with pytest.raises(ValueError, match='Expected an architecture that .* accepts, got none in'):
        Candidates(grid(9, 9, 9), accept=lambda sample: False, pool=5).random(1)
    assert Candidates(grid(9), accept=lambda sample: False).random(1) == []


def test_pool_must_be_positive():
    with pytest.raises(ValueError, match='pool of at least 1 architecture, got 0'):
        Candidates(grid(9), pool=0)


def test_sample_is_the_same_each_time_and_accepted():
    """Also of a huge space, whatever has been drawn, with a filter that cannot be copied."""
    class Even:
        def __call__(self, sample):
            return sample['x0'] % 2 == 0

        def __deepcopy__(self, memo):
            raise TypeError('This filter cannot be copied.')
    space = {f'x{i}': Categorical(list(range(9)), label=f'x{i}') for i in range(9)}
    candidates = Candidates(space, accept=Even(), pool=10)
    first = candidates.sample(20)
    candidates.random(5)
    assert candidates.sample(20) == first and all(map(Even(), first)) and len(first) == 20
    listed = Candidates(space, given=first)
    assert listed.sample(5) == listed.sample(5) and len(listed.sample(99)) == 20


@pytest.mark.parametrize('pool', [5, 1000])
def test_what_is_known_is_not_proposed(pool, monkeypatch):
    """Nor are its twins; in a huge space those of the first only."""
    monkeypatch.setattr(candidates_module, '_FORMS', 1)
    space = grid(5, 5, 5)
    known = [{'x0': 4, 'x1': 4, 'x2': 4}, {'x0': 1, 'x1': 4, 'x2': 4}]
    twins = [{'x0': 3, 'x1': 4, 'x2': 4}, {'x0': 2, 'x1': 4, 'x2': 4}]

    def form(sample):
        return sample_key({**sample, 'x0': (sample['x0'] + 1) // 2})
    candidates = Candidates(space, pool=pool, form=form, known=known)
    proposed = keys(candidates.random(125))
    assert proposed.isdisjoint(keys([*known, twins[0]]))
    assert (keys(twins[1:]) <= proposed) == (pool == 5)
    assert len(proposed) == (73 if pool == 1000 else 74)
    assert keys(candidates.sample(125)) > proposed        # among all is ranked, known or not
