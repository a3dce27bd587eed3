"""Evolution in generations: what is bred of which parents, and how much is scored."""

from __future__ import annotations

import numpy as np
import torch

from nni_rankreg.sampler.rejection import once
from nni_rankreg.search.generations import evolve


def run(first, size, generations, largest=10 ** 6):
    """Evolve numbers, whose children are by one or two larger."""
    parents, asked, steps = [], [], np.random.default_rng(1)

    def mutate(sample):
        parents.append(sample['x'])
        return {'x': min(sample['x'] + int(steps.integers(1, 3)), largest)}

    def scorer(samples):
        asked.append([one['x'] for one in samples])
        return torch.tensor(asked[-1], dtype=torch.float64)

    found = evolve(first, scorer, mutate, once(first), size=size, generations=generations,
                   random=np.random.default_rng(0))
    return found, parents, asked


def test_one_generation_is_scored_as_it_is():
    found, parents, asked = run([{'x': 3}, {'x': 5}], 2, 1)
    assert (found.samples, found.metrics) == ([{'x': 3}, {'x': 5}], [3., 5.])
    assert not parents and asked == [[3, 5]]


def test_parents_are_the_best_twentieth_of_all_that_has_been_found():
    found, parents, asked = run([{'x': x} for x in range(0, 400, 10)], 40, 2)
    assert set(parents) == {380, 390}          # 2 of 40
    assert set(asked[1]) <= {381, 382, 391, 392}
    assert len(found.samples) == len(asked[0]) + len(asked[1])


def test_generations_are_scored_at_once_and_never_twice():
    found, _, asked = run([{'x': 0}], 2, 6)
    assert list(map(len, asked)) == [1, 2, 2, 2, 2, 2]
    everything = [x for one in asked for x in one]
    assert len(set(everything)) == len(everything)
    assert found.metrics == everything and max(everything) > 5


def test_a_space_that_is_exhausted_ends():
    found, _, asked = run([{'x': 0}], 5, 3, largest=2)
    assert sorted(found.metrics) == [0., 1., 2.] and asked[2] == []
