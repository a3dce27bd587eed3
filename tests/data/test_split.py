"""The two halves of the training data."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    Sampler,
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
    train, ranking = split_loader(DataLoader(DATA, 4), held_out_batch_size=size)
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
    def __init__(self, count=7):
        self.count = count

    def __iter__(self):
        return iter(range(self.count))


@pytest.mark.parametrize('loader', [[torch.arange(3)], {'a': DataLoader(DATA)}],
                         ids=['list', 'dict'])
def test_other_loaders(loader):
    with pytest.raises(ValueError, match='Expected a DataLoader, to hold out.*Pass HeldOut'):
        split_loader(loader)


def test_a_stream_is_split_by_turns(caplog):
    train, ranking = split_loader(DataLoader(Stream(), 2))
    for _ in range(2):  # and again in the next epoch
        assert [one.tolist() for one in train] == [[0, 1], [4, 5]]
        assert [one.tolist() for one in ranking] == [[2, 3], [6]]
    assert 'every other one of a stream' in caplog.text
    with pytest.raises(TypeError):
        len(train)


@pytest.mark.parametrize('loader', [
    DataLoader(Stream(), 2), DataLoader(DATA, batch_size=None), DataLoader(
        DATA, batch_sampler=[[0, 1], [2, 3]])], ids=['stream', 'no batches', 'batches'])
def test_batches_that_are_made_elsewhere_have_their_size(loader):
    with pytest.raises(ValueError, match='Expected a DataLoader with a batch size.*of 3.*Pass'):
        split_loader(loader, held_out_batch_size=3)


def test_a_data_set_that_makes_its_batches():
    train, ranking = split_loader(DataLoader(DATA, batch_size=None, shuffle=True))
    halves = [[int(one) for one, in half] for half in (train, ranking)]
    assert sorted(halves[0] + halves[1]) == list(range(21)) and len(halves[0]) == 11


class Squares(Sampler):
    """Draws some indices in a way of its own."""

    def __init__(self, count, epochs=()):
        self.count, self.epochs = count, list(epochs)

    def __iter__(self):
        return (5 * one % self.count for one in range(2 * self.count))

    def __len__(self):
        return 2 * self.count

    def set_epoch(self, epoch):
        self.epochs.append(epoch)


SAMPLERS = {
    'replacement': lambda: RandomSampler(DATA, replacement=True),
    'fewer': lambda: RandomSampler(DATA, num_samples=9),
    'more': lambda: RandomSampler(DATA, replacement=True, num_samples=100),
    'weighted': lambda: WeightedRandomSampler([1.] * 10 + [0.] * 4 + [3.] * 7, 40),
    'weighted without replacement': lambda: WeightedRandomSampler([1.] * 21, 21, False),
    'range': lambda: range(3, 9), 'list': lambda: [3, 4, 4, 5, 8, 3],
    'array': lambda: np.arange(21), 'distributed': lambda: DistributedSampler(DATA, 1, 0),
    'own': lambda: Squares(21)}


@pytest.mark.parametrize('name', SAMPLERS)
@pytest.mark.parametrize('way', ['sampler', 'batch_sampler'])
def test_each_half_draws_as_the_loader_does(name, way):
    """Of its own examples, as often as they are drawn of all, and half as many an epoch."""
    def loader():
        return (DataLoader(DATA, 2, sampler=SAMPLERS[name]()) if way == 'sampler' else
                DataLoader(DATA, batch_sampler=BatchSampler(SAMPLERS[name](), 2, False)))

    torch.manual_seed(0)
    epochs = 200
    halves = [[one for _ in range(epochs) for one in drawn(half)]
              for half in split_loader(loader())]
    whole = Counter(one for _ in range(epochs) for one in drawn(loader()))
    first, second = map(set, halves)
    assert not first & second and first | second == set(whole)
    assert sum(map(len, halves)) == pytest.approx(sum(whole.values()), rel=.1)
    assert abs(len(first) - len(second)) <= 2
    for half in halves:
        counts, total = Counter(half), sum(whole[one] for one in set(half))
        if name != 'weighted without replacement':  # there all are drawn
            assert all(counts[one] / len(half) == pytest.approx(whole[one] / total, rel=.35)
                       for one in counts)


@pytest.mark.parametrize('name', ['replacement', 'fewer', 'weighted'])
def test_draws_are_random_and_of_the_seed(name):
    pairs = [split_loader(DataLoader(DATA, 4, sampler=SAMPLERS[name]()), seed=seed)
             for seed in (1, 1, 2)]
    orders = [[drawn(half), drawn(half)] for pair in pairs for half in pair]
    assert orders[0] == orders[2] and orders[1] == orders[3]
    assert orders[0] != orders[4] and orders[0][0] != orders[0][1]


def test_the_number_of_draws_is_halved():
    train, ranking = split_loader(DataLoader(DATA, 4, sampler=RandomSampler(
        DATA, replacement=True, num_samples=32)), held_out_batch_size=8)
    assert [len(batch) for batch, in train] == [4] * 4 and len(train) == 4
    assert [len(batch) for batch, in ranking] == [8, 8]


def test_a_sampler_of_ones_own_is_told_the_epoch():
    sampler = Squares(21)
    train, _ = split_loader(DataLoader(DATA, 2, sampler=sampler))
    train.sampler.set_epoch(3)
    assert sampler.epochs == [3] and len(train.sampler) == len(list(train.sampler))


@pytest.mark.parametrize('sampler', [['a', 'b'], [30]])
def test_a_sampler_of_something_else(sampler):
    class Own(Sampler):
        def __init__(self):
            pass

        def __iter__(self):
            return iter(sampler)

    train, _ = split_loader(DataLoader(DATA, 2, sampler=Own()))
    with pytest.raises(ValueError, match=r'draws indices below 21, got .*Pass HeldOut'):
        list(train)


class Buckets:
    """Batches of neighbours, in a random order."""

    def __len__(self):
        return 3

    def __iter__(self):
        return iter([list(range(start, start + 7)) for start in (7, 0, 14)])


def test_batch_samplers_of_ones_own():
    """What is left of a batch stays together."""
    halves = [[batch.tolist() for batch, in half]
              for half in split_loader(DataLoader(DATA, batch_sampler=Buckets()))]
    for half in halves:
        assert all(len({one // 7 for one in batch}) == 1 < len(batch) for batch in half)
        assert len(half) <= 3
    left = [one for half in halves for batch in half for one in batch]
    assert len(left) == len(set(left)) >= 19


@pytest.mark.parametrize('shuffle', [True, False])
def test_a_loader_that_is_divided_already(shuffle):
    """Each process has its part of both halves."""
    divided = [split_loader(DataLoader(DATA, 2, sampler=DistributedSampler(
        DATA, 2, rank, shuffle=shuffle))) for rank in range(2)]
    first, second = ([set(drawn(halves[number])) for halves in divided] for number in range(2))
    assert not set.union(*first) & set.union(*second)
    assert len(set.union(*first)) == 12 and [len(one) for one in second] == [4, 4]
    assert all(isinstance(train.sampler, DistributedSampler) for train, _ in divided)


@pytest.mark.slow
def test_a_stream_with_workers_that_stay():
    loader = DataLoader(Stream(40), 2, num_workers=1, persistent_workers=True)
    train, ranking = split_loader(loader)
    pairs = [(one.tolist(), other.tolist()) for one, other in zip(train, ranking)]
    assert [one + other for one, other in pairs] == [list(range(4 * index, 4 * index + 4))
                                                     for index in range(10)]


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
    ({'batch_size': 32, 'drop_last': True, 'held_out_batch_size': 64}, 'batches of 32 and 64')])
def test_halves_without_a_batch(options, found):
    ranking = options.pop('held_out_batch_size', None)
    loader = DataLoader(TensorDataset(torch.arange(100)), shuffle=True, **options)
    with pytest.raises(ValueError, match=f'Expected halves with a batch each.*{found}'):
        split_loader(loader, held_out_batch_size=ranking)


@pytest.mark.parametrize('count', range(5, 80))
@pytest.mark.parametrize('size, ranking, processes', [(8, 8, 1), (8, 3, 1), (5, 2, 2), (1, 1, 1)])
def test_no_half_ends_with_a_batch_of_one(count, size, ranking, processes):
    """And the cut is in the middle wherever it may be."""
    loader = DataLoader(TensorDataset(torch.arange(count)), size)
    halves = split_loader(loader, held_out_batch_size=ranking, processes=processes)
    first, second = (len(half.dataset) for half in halves)
    parts = -(-first // processes), second

    def ends_with_one(part, size):
        return (size > 1 and part % size == 1) or part < 2

    assert not any(map(ends_with_one, parts, (size, ranking))) or count < 4 * processes
    middle = (count + 1) // 2
    if not ends_with_one(-(-middle // processes), size) and not ends_with_one(
            (count - middle) // processes, ranking):
        assert first == middle
