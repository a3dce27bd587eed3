"""Strict fairness, counted."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nni.mutable import Categorical, ExpressionConstraint, MutableDict, Numerical

from nni_rankreg.sampler import FairSampler
from nni_rankreg.space import NasBench201


@settings(deadline=None, max_examples=25)
@given(sizes=st.lists(st.integers(2, 5), min_size=1, max_size=5), seed=st.integers(0, 99))
def test_strict_fairness(sizes, seed):
    space = {f'x{i}': Categorical(range(n), label=f'x{i}') for i, n in enumerate(sizes)}
    sampler, counts = FairSampler(space, seed), Counter()
    for _ in range(60):  # a multiple of 2, 3, 4 and 5
        paths = sampler.paths()
        assert len(paths) == max(sizes)
        for label, mutable in space.items():
            drawn = [path[label] for path in paths]
            if len(mutable.values) == max(sizes):
                assert sorted(drawn) == mutable.values
            counts.update((label, choice) for choice in drawn)
    for label, mutable in space.items():
        assert len({counts[label, choice] for choice in mutable.values}) == 1


def test_permutations_of_the_labels_are_independent():
    sampler = FairSampler(NasBench201(4, 1, 10))
    pairs = Counter((path['cell/0_1'], path['cell/0_2']) for _ in range(500)
                    for path in sampler.paths())
    assert len(pairs) == 25 and max(pairs.values()) < 2 * min(pairs.values())


def test_fair_within_constraints():
    a, b = Categorical([0, 1, 2], label='a'), Categorical([0, 1, 2], label='b')
    space = MutableDict(a=a, b=b, c=ExpressionConstraint(a != b, label='c'))
    paths = FairSampler(space).paths()
    assert sorted(path['a'] for path in paths) == [0, 1, 2]
    assert all(path['a'] != path['b'] for path in paths)


def test_fairness_that_is_impossible():
    a, b = Categorical([0, 1], label='a'), Categorical([0, 1], label='b')
    space = MutableDict(a=a, b=b, c=ExpressionConstraint(a + b < 1, label='c'))
    with pytest.raises(ValueError, match='choices can be drawn independently'):
        FairSampler(space).paths()
    with pytest.raises(ValueError, match=r"Expected labels with a list of choices.*\['x'\]"):
        FairSampler({'x': Numerical(0, 1, label='x'), 'a': a})
