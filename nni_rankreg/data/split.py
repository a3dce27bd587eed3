"""Split a training loader in two: one half trains the super-net, the other ranks it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
)

__all__ = ['split_loader']

_SHIFT = 50  # examples by which the cut is moved at most


def split_loader(loader: DataLoader, *, seed: int = 0, ranking_batch_size: int | None = None,
                 rank: int = 0, processes: int = 1) -> tuple[DataLoader, DataLoader]:
    """Return loaders of two random halves of a loader's data, with its settings.

    Parameters
    ----------
    loader
        Over a data set with indices, or a part of one (`SubsetRandomSampler`); its order is kept
        random if it was.
    seed
        Of the split and of the order of both halves.
    ranking_batch_size
        Batch size of the second half; None is that of `loader`.
    rank, processes
        Of a distributed training, whose processes divide the second half; Lightning divides the
        first.

    Returns
    -------
    The loader for the super-net's loss and the loader, always shuffled, for the ranking loss.

    Raises
    ------
    ValueError
        If `loader` is not a DataLoader with a batch size over a data set with indices, or draws
        from it in a way of its own, if there are fewer than two examples, or if a half would have
        no batch, as its ``drop_last`` is set.

    Examples
    --------
    >>> from torch.utils.data import TensorDataset
    >>> data = TensorDataset(torch.arange(10))
    >>> train, ranking = split_loader(DataLoader(data, batch_size=5))
    >>> sorted(torch.cat([batch for loader in (train, ranking) for batch, in loader]).tolist())
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    """
    if (not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset)
            or loader.batch_size is None):
        raise ValueError('Expected a DataLoader over a data set with indices and a batch size, to '
                         f'hold out half of it for the ranking, got {type(loader).__name__}. '
                         'Pass HeldOut(loader) as held_out to the strategy.')
    indices = _indices(loader)
    if len(indices) < 2:
        raise ValueError(f'Expected at least 2 examples to split, got {len(indices)}.')
    order = torch.randperm(len(indices), generator=torch.Generator().manual_seed(seed))
    mixed = [int(indices[position]) for position in order.tolist()]
    sizes = loader.batch_size, ranking_batch_size or loader.batch_size
    half = _first_half(len(mixed), sizes, processes, loader.drop_last)
    part = (len(mixed) - half) // processes  # of the same size for all
    held_out = mixed[half:][rank::processes][:part]
    shuffle = not isinstance(loader.sampler, SequentialSampler)
    return (_rebuild(loader, Subset(loader.dataset, mixed[:half]), seed, shuffle, sizes[0]),
            _rebuild(loader, Subset(loader.dataset, held_out), seed + 1, True, sizes[1]))


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


def _indices(loader: DataLoader) -> Sequence[int]:
    """Return the indices that the loader draws, each once an epoch."""
    sampler: Any = loader.sampler
    if isinstance(sampler, SubsetRandomSampler):
        return sampler.indices
    everything = range(len(loader.dataset))  # type: ignore[arg-type]
    if isinstance(sampler, SequentialSampler) or (
            isinstance(sampler, RandomSampler) and not sampler.replacement
            and sampler.num_samples == len(everything)):
        return everything
    raise ValueError('Expected a loader that draws each index once, to hold out half of them for '
                     f'the ranking, got one with a {type(sampler).__name__}. Pass '
                     'HeldOut(loader) as held_out to the strategy.')


def _rebuild(loader: DataLoader, dataset: Dataset, seed: int, shuffle: bool,
             batch_size: int) -> DataLoader:
    return DataLoader(
        dataset, batch_size=batch_size, shuffle=shuffle, num_workers=loader.num_workers,
        collate_fn=loader.collate_fn, pin_memory=loader.pin_memory, drop_last=loader.drop_last,
        timeout=loader.timeout, worker_init_fn=loader.worker_init_fn,
        multiprocessing_context=loader.multiprocessing_context,
        prefetch_factor=loader.prefetch_factor, persistent_workers=loader.persistent_workers,
        generator=torch.Generator().manual_seed(seed))
