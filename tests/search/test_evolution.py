"""Ageing evolution, against the exhaustive optimum and against a plain loop."""

from __future__ import annotations

import itertools
import math
import random

import numpy as np
import pytest
import torch
from helpers.spaces import grid
from nni.mutable import Categorical

from nni_rankreg.constraint import Between
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.search import Evolution
from nni_rankreg.typing import sample_key

LABELS = [f'x{i}' for i in range(8)]
SPACE = {label: Categorical([0, 1, 2, 3], label=label) for label in LABELS}


class Rugged:
    """A scorer with interactions between neighbours; it keeps what it has been asked for."""

    def __init__(self, seed=0, labels=8):
        generator = torch.Generator().manual_seed(seed)
        self.single = torch.randn(labels, 4, generator=generator)
        self.pairs = 0.5 * torch.randn(labels - 1, 4, 4, generator=generator)
        self.asked, self.calls = [], []

    def value(self, choices):
        single = sum(row[choice] for row, choice in zip(self.single, choices))
        return float(single + sum(table[a, b] for table, a, b
                                  in zip(self.pairs, choices, choices[1:])))

    def __call__(self, samples):
        self.asked += samples
        self.calls.append(len(samples))
        return torch.tensor([self.value([sample[label] for label in LABELS[:len(self.single)]])
                             for sample in samples])


@pytest.mark.parametrize('seed', range(4))
def test_finds_the_exhaustive_optimum(seed):
    scorer = Rugged(seed)
    total = scorer.single[0][:, None] + scorer.single[1] + scorer.pairs[0]
    for index in range(2, 8):  # the best value of each last choice: Viterbi over the chain
        total = total.max(0).values[:, None] + scorer.single[index] + scorer.pairs[index - 1]
    found = Evolution(50, 1000, 10, seed=seed, progress=False).search(scorer, SPACE)
    assert found[0].score == pytest.approx(total.max().item(), abs=1e-4)
    assert len(scorer.asked) < 0.02 * 4 ** 8


def test_the_optimum_of_the_oracle_is_exhaustive():
    scorer = Rugged()
    scorer.single, scorer.pairs = scorer.single[:4], scorer.pairs[:3]
    total = scorer.single[0][:, None] + scorer.single[1] + scorer.pairs[0]
    for index in range(2, 4):
        total = total.max(0).values[:, None] + scorer.single[index] + scorer.pairs[index - 1]
    assert total.max().item() == pytest.approx(
        max(scorer.value(choices) for choices in itertools.product(range(4), repeat=4)))


def test_result_is_every_architecture_met_once_and_in_order():
    scorer = Rugged()
    found = Evolution(20, 200, 5, progress=False).search(scorer, SPACE)
    keys = [sample_key(sample) for sample in found]
    assert sorted(keys) == sorted({sample_key(sample) for sample in scorer.asked})
    assert len(keys) == len(scorer.asked) <= 200  # a repeated one is not scored again
    scores = [one.score for one in found]
    assert scores == sorted(scores, reverse=True)
    assert scores == pytest.approx([scorer.value([one[label] for label in LABELS])
                                    for one in found])


def test_first_population_is_random_and_children_are_mutants():
    scorer = Rugged()
    Evolution(30, 60, 10, progress=False).search(scorer, SPACE)
    first, children = scorer.asked[:30], scorer.asked[30:]
    alive = list(first)
    for child in children:
        assert any(sum(child[label] != parent[label] for label in LABELS) == 1
                   for parent in alive)
        alive = [*alive, child]
    mean = [sum(scorer(part).tolist()) / len(part) for part in (first, children)]
    assert mean[1] > mean[0] + 1


def test_the_oldest_dies():
    """With one living architecture the search is a walk: each is a mutant of the one before."""
    asked = []

    def scorer(samples):
        asked.extend(samples)
        return torch.zeros(len(samples))

    Evolution(1, 40, 1, progress=False).search(scorer, {
        label: Categorical(range(50), label=label) for label in LABELS})
    assert len(asked) == 40
    for parent, child in itertools.pairwise(asked):
        assert sum(parent[label] != child[label] for label in LABELS) == 1


@pytest.mark.parametrize('seeds, same', [((3, 3), True), ((3, 4), False)])
def test_seed(seeds, same):
    runs = [Evolution(10, 50, 3, seed=seed, progress=False).search(Rugged(), SPACE)
            for seed in seeds]
    assert (runs[0] == runs[1]) is same


def test_rejected_architectures_are_neither_scored_nor_returned():
    scorer = Rugged()
    found = Evolution(20, 200, 5, progress=False).search(
        scorer, SPACE, accept=lambda sample: sum(sample.values()) <= 10)
    assert found and len(found) == len(scorer.asked)
    assert max(sum(sample.values()) for sample in [*found, *scorer.asked]) <= 10


def test_rejected_architectures_do_not_count_as_evaluations():
    """Every individual is feasible: with a filter as many are met as without."""
    scorer = Rugged()
    Evolution(20, 200, 5, progress=False).search(
        scorer, SPACE, accept=lambda sample: sum(sample.values()) == 12)
    assert len(scorer.asked) > 150
    assert {sum(sample.values()) for sample in scorer.asked} == {12}


def test_nothing_accepted():
    scorer = Rugged()
    accept = Between(lambda samples: torch.tensor([sum(one.values()) for one in samples]), 25, 99)
    with pytest.raises(ValueError, match=r'accepted by Between\(25, 99\), numbers found from '
                                         r'\d to 2\d, got none in 10000 draws'):
        Evolution(5, 20, 2, progress=False).search(scorer, SPACE, accept=accept)
    assert not scorer.asked


def one_at_a_time(scorer, population, evaluations, tournament, seed):
    """Return what ageing evolution meets, in order, by the loop of the paper."""
    sampler, generator = UniformSampler(SPACE, seed=seed), random.Random(seed)
    alive, met = [], []
    for _ in range(evaluations):
        if len(met) < population:
            child = sampler.sample()
        else:
            candidates = generator.sample(alive, tournament)
            child = sampler.mutate(max(candidates, key=lambda one: float(scorer([one])[0])))
        met.append(child)
        alive = [*alive, child][-population:]
    return met


def test_a_batch_of_one_is_the_published_evolution():
    scorer = Rugged()
    found = Evolution(20, 150, 5, batch=1, seed=3, progress=False).search(scorer, SPACE)
    met = {sample_key(one): one for one in one_at_a_time(Rugged(), 20, 150, 5, 3)}
    assert scorer.asked == list(met.values())
    assert scorer.calls == [20, *[1] * (len(met) - 20)]
    assert sorted(map(sample_key, found)) == sorted(met)


def test_a_batch_is_scored_at_once_and_bred_of_the_youngest():
    scorer = Rugged(labels=2)
    space = {label: Categorical(range(500), label=label) for label in LABELS[:2]}  # no repetition
    scorer.single, scorer.pairs = torch.randn(2, 500), torch.randn(1, 500, 500)
    Evolution(12, 40, 3, batch=8, progress=False).search(scorer, space)
    assert scorer.calls == [12, 8, 8, 8, 4]
    for start in range(12, 40, 8):
        alive = scorer.asked[start - 5:start]  # 12 - 8 + 1
        for child in scorer.asked[start:start + 8]:
            assert any(sum(child[label] != parent[label] for label in space) == 1
                       for parent in alive)


def test_half_of_the_population_is_bred_at_once_unless_a_tournament_wants_more():
    assert (Evolution().batch, Evolution(20, 30, 15).batch, Evolution(5, 9, 5).batch) == (25, 6, 1)


def shares_of_better(batch):
    """Return how many of all 4,096 architectures are better than the best found, for 60 seeds."""
    shares = []
    for seed in range(60):
        scorer, space = Rugged(seed, labels=6), grid(*[4] * 6)
        every = torch.cartesian_prod(*[torch.arange(4)] * 6)
        scores = (scorer.single[range(6), every].sum(1)
                  + scorer.pairs[range(5), every[:, :-1], every[:, 1:]].sum(1))
        best, *_ = Evolution(20, 120, 5, batch=batch, seed=seed, progress=False).search(
            scorer, space)
        shares.append((scores > best.score + 1e-5).double().mean().item())
    return np.array(shares)


@pytest.mark.slow
def test_batches_find_as_good_architectures_as_one_child_at_a_time():
    """The share of better architectures, paired by seed: no worse within two standard errors."""
    one, batch = shares_of_better(1), shares_of_better(None)
    worse = batch - one
    assert worse.mean() < 2 * worse.std(ddof=1) / math.sqrt(len(worse))
    assert batch.mean() < 0.3 / 120  # of random draws the best leaves 1 / 121


@pytest.mark.parametrize('evaluations, whole', [(64, True), (63, False)])
def test_a_small_space_is_scored_as_a_whole(evaluations, whole):
    scorer, space = Rugged(labels=3), grid(4, 4, 4)
    found = Evolution(10, evaluations, 3, progress=False).search(scorer, space)
    assert (scorer.calls == [64]) is whole
    assert len({sample_key(one) for one in found}) == len(scorer.asked) <= evaluations
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


@pytest.mark.parametrize('most, whole', [(3, True), (4, False)])  # 1 + 5 + 15 + 35 are accepted
def test_what_a_filter_accepts_may_be_a_small_space(most, whole):
    scorer, space = Rugged(labels=5), grid(*[4] * 5)
    Evolution(10, 56, 3, progress=False).search(
        scorer, space, accept=lambda sample: sum(sample.values()) <= most)
    assert (scorer.calls == [56]) is whole


def test_of_a_large_space_a_filter_is_not_asked_about_all():
    asked = []
    Evolution(2, 4, 1, progress=False).search(Rugged(), SPACE, accept=lambda sample: (
        asked.append(sample) or sample['x0'] == 3))
    assert len(asked) < 1000


@pytest.mark.parametrize('evaluations', [40, 4 ** 3])
def test_scores_that_are_no_numbers_are_left_out_and_have_no_children(evaluations):
    batches = []

    def scorer(samples):
        batches.append(samples)
        scores = torch.tensor([float(sum(sample.values())) for sample in samples])
        return scores.where(scores > 4, math.nan).where(scores != 5, -math.inf)

    found = Evolution(30, evaluations, 29, progress=False).search(scorer, grid(4, 4, 4))
    assert found[0] == {'x0': 3, 'x1': 3, 'x2': 3} or evaluations == 40
    assert min(one.score for one in found) >= 6
    if evaluations == 40:
        assert all(sum(sample.values()) > 4 for batch in batches[1:] for sample in batch)


@pytest.mark.parametrize('batch', [0, 4])
def test_a_batch_must_leave_a_tournament(batch):
    with pytest.raises(ValueError, match=f'a batch from 1 to 3, which leaves .* got {batch}'):
        Evolution(5, 10, 3, batch=batch)


@pytest.mark.parametrize('sizes', [(5, 4, 3), (5, 10, 6), (5, 10, 0)])
def test_sizes_must_fit(sizes):
    with pytest.raises(ValueError, match='Expected 1 <= tournament <= population <= evaluations'):
        Evolution(*sizes)
