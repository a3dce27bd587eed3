"""The two halves of the training data."""

from __future__ import annotations

import pytest
import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

from nni_rankreg.data import ImageTensors, image_loader
from nni_rankreg.data.split import split_loader

DATA = TensorDataset(torch.arange(21))


def drawn(loader):
    return [one for batch, in loader for one in batch.tolist()]


@pytest.mark.parametrize('count', [2, 3, 20, 21])
def test_halves_are_disjoint_and_complete(count):
    halves = [drawn(half) for half in split_loader(
        DataLoader(TensorDataset(torch.arange(count)), batch_size=4), seed=count)]
    assert sorted(halves[0] + halves[1]) == list(range(count))
    assert 0 <= len(halves[0]) - len(halves[1]) <= 1


def test_the_split_is_random_and_of_the_seed_alone():
    first, again, other = (set(drawn(split_loader(DataLoader(DATA, 4), seed=seed)[0]))
                           for seed in (1, 1, 2))
    assert first == again != other
    assert first != set(range(11)) and other != set(range(11))
    counts = torch.zeros(21)
    for seed in range(400):
        counts[drawn(split_loader(DataLoader(DATA, 21), seed=seed)[0])] += 1
    assert (counts / 400 - 11 / 21).abs().max() < 0.12


@pytest.mark.parametrize('shuffle', [True, False])
def test_order(shuffle):
    train, ranking = split_loader(DataLoader(DATA, 4, shuffle=shuffle))
    orders = [(drawn(train), drawn(ranking)) for _ in range(2)]
    assert (orders[0][0] != orders[1][0]) is shuffle
    assert orders[0][1] != orders[1][1]  # the ranking half is always shuffled
    again, _ = split_loader(DataLoader(DATA, 4, shuffle=shuffle))
    assert drawn(again) == orders[0][0]


@pytest.mark.parametrize('size, first, second', [
    (None, [4, 4, 3], [4, 4, 2]), (3, [4, 4, 2], [3, 3, 3, 2])])  # and not 3, 3, 3, 1
def test_batch_sizes(size, first, second):
    train, ranking = split_loader(DataLoader(DATA, 4), ranking_batch_size=size)
    assert [len(batch) for batch, in train] == first
    assert [len(batch) for batch, in ranking] == second


def test_settings_are_kept():
    def collate(rows):
        return [-torch.stack([row for row, in rows])]

    for half in split_loader(DataLoader(DATA, 4, drop_last=True, collate_fn=collate)):
        batches = list(half)
        assert [len(batch) for batch, in batches] == [4, 4]
        assert all((batch <= 0).all() for batch, in batches)


def test_loaders_of_whole_batches():
    images = torch.arange(12.)[:, None, None, None].expand(12, 3, 2, 2)
    loader = image_loader(ImageTensors(images, torch.arange(12)), 4, shuffle=True)
    for half in split_loader(loader):
        batches = list(half)
        assert [tuple(batch.shape) for batch, _ in batches] == [(4, 3, 2, 2), (2, 3, 2, 2)]
        assert all((batch[:, 0, 0, 0] == labels).all() for batch, labels in batches)


@pytest.mark.parametrize('indices', [[1, 3, 5, 7, 9], torch.tensor([1, 3, 5, 7, 9])])
def test_only_a_part_of_the_data(indices):
    """The other indices may be the validation data."""
    halves = split_loader(DataLoader(DATA, 2, sampler=SubsetRandomSampler(indices)))
    assert sorted(drawn(halves[0]) + drawn(halves[1])) == [1, 3, 5, 7, 9]
    assert len({tuple(drawn(halves[0])) for _ in range(20)}) > 1


@pytest.mark.parametrize('count', [0, 1])
def test_too_little_to_split(count):
    with pytest.raises(ValueError, match=f'Expected at least 2 examples to split, got {count}'):
        split_loader(DataLoader(TensorDataset(torch.arange(count))))


class Stream(IterableDataset):
    def __iter__(self):
        return iter(range(3))


@pytest.mark.parametrize('loader', [
    [torch.arange(3)], DataLoader(Stream()), DataLoader(DATA, batch_size=None),
    DataLoader(DATA, batch_sampler=BatchSampler(SequentialSampler(DATA), 2, False)),
], ids=['list', 'stream', 'no batches', 'batch sampler'])
def test_other_loaders(loader):
    with pytest.raises(ValueError, match='Expected a DataLoader over .*Pass HeldOut'):
        split_loader(loader)


@pytest.mark.parametrize('sampler', [
    WeightedRandomSampler([1.] * 21, 21), RandomSampler(DATA, replacement=True),
    RandomSampler(DATA, num_samples=7), range(3)],
    ids=['weighted', 'replacement', 'fewer', 'range'])
def test_other_samplers(sampler):
    with pytest.raises(ValueError, match='Expected a loader that draws each index once, .*got one '
                                         'with a .*Pass HeldOut'):
        split_loader(DataLoader(DATA, 2, sampler=sampler))


@pytest.mark.parametrize('count, part', [(20, 3), (21, 3), (23, 3), (24, 4)])
def test_processes_divide_the_half_that_ranks(count, part):
    """In parts of one size, in an order of their own; Lightning divides the other half."""
    loader = DataLoader(TensorDataset(torch.arange(count)), 4)
    train, whole = map(drawn, split_loader(loader))
    divided = [split_loader(loader, rank=rank, processes=3) for rank in range(3)]
    assert all(drawn(first) == train for first, _ in divided)
    parts = [drawn(second) for _, second in divided]
    assert [len(one) for one in parts] == [part] * 3
    assert len(set().union(*parts)) == 3 * part and set().union(*parts) <= set(whole)


@pytest.mark.parametrize('options, found', [
    ({'batch_size': 64, 'drop_last': True}, '50 and 50 examples for batches of 64 and 64'),
    ({'batch_size': 32, 'drop_last': True, 'ranking_batch_size': 64}, 'batches of 32 and 64')])
def test_halves_without_a_batch(options, found):
    ranking = options.pop('ranking_batch_size', None)
    loader = DataLoader(TensorDataset(torch.arange(100)), shuffle=True, **options)
    with pytest.raises(ValueError, match=f'Expected halves with a batch each.*{found}'):
        split_loader(loader, ranking_batch_size=ranking)


@pytest.mark.parametrize('count', range(5, 80))
@pytest.mark.parametrize('size, ranking, processes', [(8, 8, 1), (8, 3, 1), (5, 2, 2), (1, 1, 1)])
def test_no_half_ends_with_a_batch_of_one(count, size, ranking, processes):
    """And the cut is in the middle wherever it may be."""
    loader = DataLoader(TensorDataset(torch.arange(count)), size)
    halves = split_loader(loader, ranking_batch_size=ranking, processes=processes)
    first, second = (len(half.dataset) for half in halves)
    parts = -(-first // processes), second

    def ends_with_one(part, size):
        return (size > 1 and part % size == 1) or part < 2

    assert not any(map(ends_with_one, parts, (size, ranking))) or count < 4 * processes
    middle = (count + 1) // 2
    if not ends_with_one(-(-middle // processes), size) and not ends_with_one(
            (count - middle) // processes, ranking):
        assert first == middle
