"""The order that teachers give, on architectures whose scores are known."""

from __future__ import annotations

import math
from itertools import combinations, pairwise

import pytest
import torch
from helpers.toy import NAMES, SAMPLES, SPACE

from nni_rankreg.predictor import LearnedTeacher
from nni_rankreg.regularizer import TermContext
from nni_rankreg.regularizer.teaching import Teaching
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.typing import Results, sample_key


def ranks(**scores):
    """Return a teacher who scores four architectures."""
    return lambda samples: torch.tensor([scores[one['op']] for one in samples])


def start(*teachers):
    teaching = Teaching(teachers, TermContext(SPACE), seed=0)
    teaching.start(lambda: None)
    return teaching


def test_teachers_vote():
    """Two of three prefer none to pool; of two that disagree neither counts."""
    up, down = (ranks(conv=0., pool=0., skip=0., none=sign) for sign in (1., -1.))
    pair = {'op': 'pool'}, {'op': 'none'}
    for teachers, order in (([up, up, down], -1), ([down, down, up], 1), ([up, down], 0)):
        teaching = start(*teachers)
        assert teaching.order(*pair) == order == -teaching.order(*pair[::-1])


def test_neither_a_tie_nor_what_is_no_number_has_an_order():
    teaching = start(ranks(conv=3., pool=2., skip=2., none=math.nan))
    orders = {(one['op'], other['op']): teaching.order(one, other)
              for one in SAMPLES for other in SAMPLES}
    assert {pair for pair, order in orders.items() if order == 1} == {
        ('conv', 'pool'), ('conv', 'skip')}
    assert {pair for pair, order in orders.items() if order == -1} == {
        ('pool', 'conv'), ('skip', 'conv')}


def test_a_teacher_is_asked_once_for_an_architecture():
    asked, scorer = [], ranks(conv=3., pool=2., skip=2., none=1.)

    def counting(samples):
        asked.extend(one['op'] for one in samples)
        return scorer(samples)

    teaching = start(counting)
    for _ in range(50):
        for one, other in pairwise(SAMPLES):
            teaching.order(one, other)
        teaching.start(lambda: None)  # as in each step
    assert len(asked) == 20 + len(NAMES)


@pytest.mark.parametrize('value', [0., math.nan])
def test_a_teacher_without_an_order_is_an_error(value):
    with pytest.raises(ValueError, match='Expected a teacher that orders architectures, got .* 20'):
        start(ranks(**dict.fromkeys(NAMES, value)))


@pytest.mark.slow
def test_proxies_see_the_first_batch_also_after_an_interruption(make_space, make_batches):
    """Another batch would give another order."""
    (first,), (other,) = make_batches([6]), make_batches([6], seed=1)
    pairs = list(combinations(UniformSampler(make_space(), seed=3).distinct(8), 2))

    def orders(batch, state=None):
        teaching = Teaching(['grad_norm'], TermContext(make_space()), seed=0)
        if state is not None:
            teaching.restart(state)
        teaching.start(lambda: batch)
        return [teaching.order(*pair) for pair in pairs], teaching.batch

    expected, state = orders(first)
    assert all(map(torch.equal, state, first))
    assert orders(first)[0] == expected != orders(other)[0]
    assert orders(other, state)[0] == expected


@pytest.mark.slow
def test_a_learned_teacher_is_fitted_to_the_results(make_space, make_batches):
    """What has a result is ordered by it, all else by an ensemble that has learnt from these."""
    space, (batch,) = make_space(), make_batches([6])
    every = UniformSampler(space, seed=3).distinct(16)
    worth = {sample_key(one): sum('conv' in str(choice) for choice in one.values()) + index / 100
             for index, one in enumerate(every)}
    results = Results(every[:8], [worth[sample_key(one)] for one in every[:8]])
    teacher = LearnedTeacher(reference=20, seed=5)
    for _ in range(2):                               # the recipe keeps nothing
        teaching = Teaching([teacher], TermContext(space), seed=0, results=results)
        teaching.start(lambda: batch)
        scores = teacher.over(make_space(), batch).fit(*results[:2]).score(every)
        for one, other in combinations(range(16), 2):
            known = results.metrics if other < 8 else scores.tolist()
            expected = (known[one] > known[other]) - (known[one] < known[other])
            assert teaching.order(every[one], every[other]) == expected


def test_a_learned_teacher_needs_results(make_space):
    with pytest.raises(ValueError, match='Expected results for .*LearnedTeacher.* to learn from'):
        Teaching([LearnedTeacher()], TermContext(make_space()), seed=0)
