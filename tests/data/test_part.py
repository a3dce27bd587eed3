"""Samplers of a part of the data; how they split a loader is in test_split.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.data import (
    RandomSampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

from nni_rankreg.data.part import BatchesWithin, Within, drawable, draws_all, part_sampler

DATA = TensorDataset(torch.arange(6))


@pytest.mark.parametrize('sampler, indices, once', [
    (SequentialSampler(DATA), range(6), True), (RandomSampler(DATA), range(6), True),
    (RandomSampler(DATA, num_samples=3), range(6), False),
    (RandomSampler(DATA, replacement=True), range(6), False),
    (SubsetRandomSampler(torch.tensor([1, 5])), [1, 5], True),
    (WeightedRandomSampler([0., 1., 0., 2., 0., 0.], 9), [1, 3], False),
    ([4, 4, 0], [4, 0], False), (np.array([2, 3]), [2, 3], False), (range(2), [0, 1], False)])
def test_what_may_be_drawn(sampler, indices, once):
    assert list(drawable(sampler, DATA)) == list(indices) and draws_all(sampler, DATA) is once


def test_weights_are_those_of_the_part():
    weights = WeightedRandomSampler([0., 1., 5., 2., 0., 9.], 9)
    sampler = part_sampler(weights, Subset(DATA, [5, 1]), 4, torch.Generator())
    assert sampler.weights.tolist() == [9., 1.] and len(list(sampler)) == 4


def test_draws_without_replacement_are_as_many_as_there_are():
    weights = WeightedRandomSampler([1.] * 6, 6, replacement=False)
    sampler = part_sampler(weights, Subset(DATA, [5, 1]), 4, torch.Generator())
    assert sorted(sampler) == [0, 1]


def test_lengths():
    part = Subset(DATA, [0, 2, 4])
    assert len(Within(range(6), part)) == 3 == len(list(Within(range(6), part)))
    assert len(BatchesWithin([[0, 1], [2, 4]], part)) == 2
    assert list(BatchesWithin([[0, 1], [2, 4], [0]], part)) == [[1, 2], [0]]
