"""Samplers of a part of the data: what a loader's own sampler draws of it."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import (
    DistributedSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

__all__ = ['BatchesWithin', 'Within', 'drawable', 'draws_all', 'part_sampler']


def drawable(sampler: Any, dataset: Any) -> Sequence[int]:
    """Return the indices that a sampler may draw, each once."""
    if isinstance(sampler, SubsetRandomSampler):
        return [int(one) for one in sampler.indices]
    if isinstance(sampler, WeightedRandomSampler):
        return torch.nonzero(torch.as_tensor(sampler.weights)).flatten().tolist()
    if _is_list(sampler):
        return list(dict.fromkeys(map(operator.index, sampler)))
    return range(len(dataset))


def draws_all(sampler: Any, dataset: Any) -> bool:
    """Return whether each index is drawn once an epoch, in order or in a random one."""
    return isinstance(sampler, (SequentialSampler, SubsetRandomSampler)) or (
        isinstance(sampler, RandomSampler) and not sampler.replacement
        and sampler.num_samples == len(dataset))


def part_sampler(sampler: Any, part: Subset, draws: int, generator: torch.Generator) -> Any:
    """Return what draws of a part of the data as a sampler does of all.

    Parameters
    ----------
    sampler
        Of a loader; `draws_all` does not hold.
    part
        The part.
    draws
        Number of draws an epoch, where the sampler has one.
    generator
        Of the draws.
    """
    if isinstance(sampler, RandomSampler):
        return RandomSampler(part, sampler.replacement, draws, generator)
    if isinstance(sampler, WeightedRandomSampler):
        weights = torch.as_tensor(sampler.weights)[part.indices]
        most = draws if sampler.replacement else min(draws, len(weights))
        return WeightedRandomSampler(weights.tolist(), most, sampler.replacement, generator)
    if isinstance(sampler, DistributedSampler):
        return DistributedSampler(part, sampler.num_replicas, sampler.rank, sampler.shuffle,
                                  sampler.seed, sampler.drop_last)
    if _is_list(sampler):
        return list(Within(sampler, part))
    return Within(sampler, part)


class Within(Sampler[int]):
    """The indices of any sampler that are in a part of the data, as places in that part.

    Parameters
    ----------
    sampler
        Draws indices of the whole data set, in its own way.
    part
        The part.

    Raises
    ------
    ValueError
        On drawing, if an index is not one of the data set.

    Examples
    --------
    >>> list(Within([3, 0, 2, 3], Subset([5, 6, 7, 8], [2, 3])))
    [1, 0, 1]
    """

    def __init__(self, sampler: Iterable[int], part: Subset):
        self.sampler, self.generator = sampler, getattr(sampler, 'generator', None)
        self._places = {index: place for place, index in enumerate(part.indices)}
        self._count = len(part.dataset)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[int]:
        return (self._places[index] for index in map(self._checked, self.sampler)
                if index in self._places)

    def _checked(self, index: Any) -> int:
        if not hasattr(index, '__index__') or not 0 <= index < self._count:
            raise ValueError(f'Expected a sampler that draws indices below {self._count}, got '
                             f'{index!r}. Pass HeldOut(loader) as held_out to the strategy.')
        return operator.index(index)

    def __len__(self) -> int:
        """Return about how many there are: the part's share of all."""
        share = len(self._places) / self._count
        return max(1, round(len(self.sampler) * share))  # type: ignore[arg-type]

    def set_epoch(self, epoch: int) -> None:
        """Tell the sampler which epoch begins, as Lightning does."""
        _set_epoch(self.sampler, epoch)


class BatchesWithin:
    """The batches of any batch sampler, without what is not in a part of the data.

    What is left of a batch stays a batch, unless it is a single example of several, of which batch
    normalisation has no statistics.

    Parameters
    ----------
    batches
        The batch sampler.
    part
        The part.

    Examples
    --------
    >>> list(BatchesWithin([[3, 0, 2], [3, 1]], Subset([5, 6, 7, 8], [2, 3])))
    [[1, 0]]
    """

    def __init__(self, batches: Iterable[Sequence[int]], part: Subset):
        self.batches, self._part = batches, part
        self.generator = getattr(batches, 'generator', None)

    def __iter__(self) -> Iterator[list[int]]:
        for batch in self.batches:
            kept = list(Within(batch, self._part))
            if len(kept) > 1 or (kept and len(batch) == 1):
                yield kept

    def __len__(self) -> int:
        """Return how many there are at most."""
        return len(self.batches)  # type: ignore[arg-type]

    def set_epoch(self, epoch: int) -> None:
        """Tell the batch sampler which epoch begins, as Lightning does."""
        for one in (self.batches, getattr(self.batches, 'sampler', None)):
            _set_epoch(one, epoch)


def _is_list(sampler: Any) -> bool:
    return isinstance(sampler, (Sequence, np.ndarray, torch.Tensor))


def _set_epoch(sampler: Any, epoch: int) -> None:
    if hasattr(sampler, 'set_epoch'):
        sampler.set_epoch(epoch)
