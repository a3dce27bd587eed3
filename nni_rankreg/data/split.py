"""Split a training loader in two: one half trains the super-net, the other ranks it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import islice
from typing import Any

import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    DistributedSampler,
    IterableDataset,
    SequentialSampler,
    Subset,
)

from .part import BatchesWithin, drawable, draws_all, part_sampler

__all__ = ['Turns', 'split_loader']

_logger = logging.getLogger(__name__)

_SHIFT = 50  # examples by which the cut is moved at most


def split_loader(loader: DataLoader, *, seed: int = 0, held_out_batch_size: int | None = None,
                 rank: int = 0, processes: int = 1) -> tuple[Any, Any]:
    """Return loaders of two random halves of a loader's data, with its settings.

    Each half draws of its data as the loader does of all: in order or shuffled, with replacement,
    by weights, a number of examples an epoch, in a way of its own. The batches of a stream go to
    the two in turns, so that it should bring the same ones in each epoch.

    Parameters
    ----------
    loader
        Any DataLoader.
    seed
        Of the split and of the order of both halves.
    held_out_batch_size
        Batch size of the second half; None is that of `loader`.
    rank, processes
        Of a distributed training, whose processes divide the second half; Lightning divides the
        first. A `DistributedSampler` of the loader goes before.

    Returns
    -------
    The loader for the super-net's loss and the loader, shuffled if each example is drawn once, for
    the ranking loss.

    Raises
    ------
    ValueError
        If `loader` is not a DataLoader, if there are fewer than two examples, if a half would have
        no batch, as its ``drop_last`` is set, or if its batches cannot have `held_out_batch_size`.

    Examples
    --------
    >>> from torch.utils.data import TensorDataset
    >>> data = TensorDataset(torch.arange(10))
    >>> train, ranking = split_loader(DataLoader(data, batch_size=5))
    >>> sorted(torch.cat([batch for loader in (train, ranking) for batch, in loader]).tolist())
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    """
    if not isinstance(loader, DataLoader):
        raise ValueError('Expected a DataLoader, to hold out half of its data for the ranking, got '
                         f'{type(loader).__name__}. Pass HeldOut(loader) as held_out to the '
                         'strategy.')
    batches: Any = loader.batch_sampler
    stream = isinstance(loader.dataset, IterableDataset)
    own = batches is not None and type(batches) is not BatchSampler
    if (stream or own or batches is None) and held_out_batch_size is not None:
        raise ValueError('Expected a DataLoader with a batch size, to make held-out batches of '
                         f'{held_out_batch_size}, got batches that '
                         f'{"a stream" if stream else "something else"} makes. Pass '
                         'HeldOut(loader) as held_out to the strategy.')
    if stream:
        _logger.warning('Held-out batches are every other one of a stream, which should bring the '
                        'same ones in each epoch. If it does not, pass HeldOut(loader) as held_out '
                        'to the strategy.')
        return Turns(loader, 0), Turns(_copy(loader, seed), 1)
    if own:
        return _split_batches(loader, seed, rank, processes)
    sampler = loader.sampler if batches is None else batches.sampler
    if isinstance(sampler, DistributedSampler):
        rank, processes = sampler.rank, sampler.num_replicas
    return _Split(loader, sampler, seed).halves(held_out_batch_size, rank, processes)


class Turns:
    """Every other batch of a loader.

    Parameters
    ----------
    loader
        Is passed through as a whole.
    first
        0 for the first, third, ... batch, 1 for the others.

    Examples
    --------
    >>> list(Turns([1, 2, 3], 0)), list(Turns([1, 2, 3], 1)), len(Turns([1, 2, 3], 1))
    ([1, 3], [2], 1)
    """

    def __init__(self, loader: Any, first: int):
        self.loader, self.first = loader, first
        self.generator = getattr(loader, 'generator', None)

    def __iter__(self) -> Iterator[Any]:
        return islice(iter(self.loader), self.first, None, 2)

    def __len__(self) -> int:
        return (len(self.loader) + 1 - self.first) // 2


def _copy(loader: DataLoader, seed: int) -> DataLoader:
    """Return a loader of the same stream, as one with workers cannot be passed through twice."""
    options = {} if loader.batch_size is None else {'drop_last': loader.drop_last}
    return _rebuild(loader, loader.dataset, seed, batch_size=loader.batch_size, **options)


def _split_batches(loader: DataLoader, seed: int, rank: int,
                   processes: int) -> tuple[DataLoader, DataLoader]:
    """Return halves of a loader with a batch sampler of the user's own."""
    mixed = _shuffled(range(len(loader.dataset)), seed)  # type: ignore[arg-type]
    half = (len(mixed) + 1) // 2
    parts = (mixed[:half], mixed[half:][rank::processes])
    first, second = (_rebuild(loader, one, seed + number, batch_sampler=BatchesWithin(
        loader.batch_sampler, one))  # type: ignore[arg-type]
        for number, one in enumerate(Subset(loader.dataset, part) for part in parts))
    return first, second


class _Split:
    """The halves of a loader that makes its batches of what a sampler draws."""

    def __init__(self, loader: DataLoader, sampler: Any, seed: int):
        self.loader, self.sampler, self.seed = loader, sampler, seed
        batches: Any = loader.batch_sampler
        self.batch_size = None if batches is None else batches.batch_size
        self.drop_last = batches is not None and batches.drop_last
        self.mixed = _shuffled(drawable(sampler, loader.dataset), seed)

    def halves(self, held_out_batch_size: int | None, rank: int,
               processes: int) -> tuple[DataLoader, DataLoader]:
        """Return both; see `split_loader`."""
        count, once = len(self.mixed), draws_all(self.sampler, self.loader.dataset)
        divided = isinstance(self.sampler, DistributedSampler)
        draws = count if once or divided else _length(self.sampler, count)
        sizes = self.batch_size or 1, held_out_batch_size or self.batch_size or 1
        first = _first_half(draws, sizes, processes, self.drop_last)
        half = first if draws == count else (count + 1) // 2
        part = (count - half) // processes  # of the same size for all
        held_out = self.mixed[half:][rank::processes][:part]
        return (self._half(self.mixed[:half], 0, once, first, sizes[0]),
                self._half(held_out, 1, once, max(1, (draws - first) // processes), sizes[1]))

    def _half(self, indices: list[int], number: int, once: bool, draws: int,
              batch_size: int) -> DataLoader:
        """Return a half; the second one, 1, is always shuffled if it has each example once."""
        part, seed = Subset(self.loader.dataset, indices), self.seed + number
        options: dict[str, Any] = {'batch_size': None if self.batch_size is None else batch_size}
        if self.batch_size is not None:
            options['drop_last'] = self.drop_last
        if once:
            shuffle = number == 1 or not isinstance(self.sampler, SequentialSampler)
            return _rebuild(self.loader, part, seed, shuffle=shuffle, **options)
        if number == 1 and isinstance(self.sampler, DistributedSampler):
            return _rebuild(self.loader, part, seed, shuffle=True, **options)  # it is divided
        return _rebuild(self.loader, part, seed, sampler=part_sampler(
            self.sampler, part, draws, torch.Generator().manual_seed(seed)), **options)


def _shuffled(indices: Any, seed: int) -> list[int]:
    if len(indices) < 2:
        raise ValueError(f'Expected at least 2 examples to split, got {len(indices)}.')
    order = torch.randperm(len(indices), generator=torch.Generator().manual_seed(seed))
    return [int(indices[position]) for position in order.tolist()]


def _length(sampler: Any, default: int) -> int:
    try:
        return len(sampler)
    except TypeError:
        return default


def _first_half(count: int, sizes: tuple[int, int], processes: int, drop_last: bool) -> int:
    """Return the number of examples in the first half: as near to a half as batches allow.

    A last batch of one example has no statistics for batch normalisation, so that a few examples
    change sides if a half would leave one.
    """
    def parts(first: int) -> list[int]:
        return [-(-first // processes), (count - first) // processes]

    def is_whole(first: int) -> bool:
        return drop_last or all(part > 1 and (size == 1 or part % size != 1)
                                for part, size in zip(parts(first), sizes))

    half = (count + 1) // 2
    if drop_last and any(part < size for part, size in zip(parts(half), sizes)):
        raise ValueError('Expected halves with a batch each, as drop_last=True drops others, got '
                         '{} and {} examples for batches of {} and {}: no step would train, or '
                         'none would rank. Use smaller batches or drop_last=False, or pass '
                         'HeldOut(loader) as held_out to the strategy.'.format(
                             *parts(half), *sizes))
    nearest = (first for shift in range(_SHIFT) for first in (half - shift, half + shift)
               if 0 < first < count)
    return next(filter(is_whole, nearest), half)


def _rebuild(loader: DataLoader, dataset: Any, seed: int, **options: Any) -> DataLoader:
    return DataLoader(
        dataset, num_workers=loader.num_workers, collate_fn=loader.collate_fn,
        pin_memory=loader.pin_memory, timeout=loader.timeout,
        worker_init_fn=loader.worker_init_fn,
        multiprocessing_context=loader.multiprocessing_context,
        prefetch_factor=loader.prefetch_factor, persistent_workers=loader.persistent_workers,
        generator=torch.Generator().manual_seed(seed), **options)
