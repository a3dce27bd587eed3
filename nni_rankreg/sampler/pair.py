"""Draw pairs of a list whose order is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .._util.random import OwnsGenerator

__all__ = ['PairSampler']


class PairSampler(OwnsGenerator):
    r"""Draws pairs of architectures with different targets, uniformly over all such pairs.

    These are the m pairs of Eq. 6 in Yu et al., "Landmark Regularization", CVPR 2021.

    Parameters
    ----------
    seed
        Of the sampler's own generator.

    Notes
    -----
    .. note:: The published code draws the first index uniformly and the second uniformly above
       it, which is not uniform over pairs: of 30 landmarks the two best meet 15 times too often.

    Examples
    --------
    >>> PairSampler().sample([0.3, 0.9, 0.3], 5)
    tensor([[1, 0],
            [1, 2]])
    """

    def __init__(self, seed: int = 0):
        self._random = np.random.default_rng(seed)
        self._targets = self._order = self._starts = self._ends = np.empty(0, dtype=np.int64)

    def sample(self, targets: Sequence[float] | np.ndarray | Tensor, count: int) -> Tensor:
        """Return `count` different pairs of indices, the better one of each pair first.

        Parameters
        ----------
        targets
            True performance, shape (N,), higher is better.
        count
            Number of pairs m.

        Returns
        -------
        Shape (m, 2), long, on the CPU. All pairs if there are fewer than `count`: (0, 2) if all
        targets are equal.

        Raises
        ------
        ValueError
            If the targets are not finite or not of shape (N,), or the count is negative.
        """
        if count < 0:
            raise ValueError(f'Expected a count of at least 0, got {count}.')
        self._index(np.array(targets.detach().cpu() if isinstance(targets, Tensor) else targets,
                             dtype=np.float64))
        total = int(self._ends[-1]) if len(self._ends) else 0
        numbers = (np.arange(total) if count >= total
                   else self._random.choice(total, count, replace=False))
        better = np.searchsorted(self._ends, numbers, side='right')
        worse = self._order[numbers - self._starts[better]]
        return torch.from_numpy(np.stack([self._order[better], worse], axis=1))

    def _index(self, targets: np.ndarray) -> None:
        """Give each pair a number: in O(N) memory, as each element meets all of lower target."""
        if np.array_equal(targets, self._targets):
            return
        if targets.ndim != 1 or not np.isfinite(targets).all():
            raise ValueError(f'Expected finite targets of shape (N,), got shape {targets.shape} '
                             f'with {int((~np.isfinite(targets)).sum())} non-finite values.')
        self._targets, self._order = targets, np.argsort(targets, kind='stable')
        ranked = targets[self._order]
        below = np.searchsorted(ranked, ranked, side='left')
        self._ends = np.cumsum(below)
        self._starts = self._ends - below
