"""Ageing evolution, against the exhaustive optimum."""

from __future__ import annotations

import itertools

import pytest
import torch
from nni.mutable import Categorical

from nni_rankreg.constraint import Between
from nni_rankreg.search import Evolution
from nni_rankreg.typing import sample_key

LABELS = [f'x{i}' for i in range(8)]
SPACE = {label: Categorical([0, 1, 2, 3], label=label) for label in LABELS}


class Rugged:
    """A scorer with interactions between neighbours; it keeps what it has been asked for."""

    def __init__(self, seed=0):
        generator = torch.Generator().manual_seed(seed)
        self.single = torch.randn(8, 4, generator=generator)
        self.pairs = 0.5 * torch.randn(7, 4, 4, generator=generator)
        self.asked = []

    def value(self, choices):
        single = sum(row[choice] for row, choice in zip(self.single, choices))
        return float(single + sum(table[a, b] for table, a, b
                                  in zip(self.pairs, choices, choices[1:])))

    def __call__(self, samples):
        self.asked += samples
        return torch.tensor([self.value([sample[label] for label in LABELS])
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


@pytest.mark.parametrize('sizes', [(5, 4, 3), (5, 10, 6), (5, 10, 0)])
def test_sizes_must_fit(sizes):
    with pytest.raises(ValueError, match='Expected 1 <= tournament <= population <= evaluations'):
        Evolution(*sizes)
