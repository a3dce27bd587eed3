"""Samplers of architectures and of pairs; each owns its random generator."""

from __future__ import annotations

from typing import Collection, Mapping, Sequence

import numpy as np
import torch
from nni.mutable import LabeledMutable, Mutable
from torch import Tensor

from ._choice import ATTEMPTS, ChoiceSpace, hamming_distance
from .typing import Sample, sample_key

__all__ = ['UniformSampler', 'LandmarkSampler', 'PairSampler', 'hamming_distance']


class UniformSampler:
    """Draws every label independently, as NNI's `RandomOneShot` does when it resamples.

    A label is uniform over its choices unless the space gives them weights. Draws that violate a
    constraint of the space are repeated.

    Parameters
    ----------
    space
        An NNI space, or the dict that its ``simplify()`` returns.
    seed
        Of the sampler's own generator; global generators are neither used nor changed.

    Raises
    ------
    ValueError
        If `space` is no space or leaves nothing to choose; on drawing, if no draw satisfies the
        constraints.

    Examples
    --------
    >>> from nni.mutable import Categorical
    >>> sampler = UniformSampler({'width': Categorical([8, 16, 32], label='width')})
    >>> sorted(sample['width'] for sample in sampler.distinct(3))
    [8, 16, 32]
    """

    def __init__(self, space: Mutable | Mapping[str, LabeledMutable], seed: int = 0):
        self._space = ChoiceSpace(space)
        self._random = np.random.RandomState(seed)

    def sample(self) -> Sample:
        """Return one architecture."""
        return self._space.draw_valid(self._draw)

    def distinct(self, count: int, exclude: Collection[Sample] = ()) -> list[Sample]:
        """Return `count` different architectures, none of them in `exclude`.

        Raises
        ------
        ValueError
            If the space does not hold that many.
        """
        seen = {sample_key(self._space.canonical(sample)) for sample in exclude}
        return self._space.distinct(
            self._draw, count, self._space.size - len(seen), seen=seen, random=self._random,
            what=f'architectures, {len(seen)} excluded')

    def mutate(self, sample: Sample) -> Sample:
        """Return a copy of `sample` with one label, drawn uniformly, changed to another choice."""
        parent = self._space.canonical(sample)
        return self._space.draw_valid(lambda: self._changed(parent))

    def _draw(self) -> Sample:
        return self._space.draw(self._random)

    def _changed(self, parent: Sample) -> Sample:
        movable = self._space.movable
        dimension = movable[self._random.randint(len(movable))]
        return {**parent, dimension.label: dimension.change(parent[dimension.label], self._random)}


class LandmarkSampler:
    """Diverse landmarks: a random root and mutants far from it (Algorithm 1).

    Every mutant has a Hamming distance to the root above `threshold`, and all are different. A
    mutant is drawn directly: ``threshold + 1`` random labels are forced to differ from the root,
    the others are uniform, so every architecture far enough can appear.

    Source: Yu, Ranftl, Salzmann, "Landmark Regularization", CVPR 2021, Algorithm 1.

    Parameters
    ----------
    space
        An NNI space, or the dict that its ``simplify()`` returns.
    threshold
        The largest distance that is too small, tau in the paper. None means one less than the
        largest possible distance, so that all labels differ: 5 on NAS-Bench-201, as in the paper.
    pairwise
        Whether the distance between any two landmarks must be above `threshold`, too. The default
        threshold is then the largest at which the neighbourhoods of all landmarks together fill at
        most half of the space (a Gilbert-Varshamov bound; 2 for 30 on NAS-Bench-201), so that
        landmarks chosen one after the other never run out of room.
    seed
        Of the sampler's own generator.

    Raises
    ------
    ValueError
        If the threshold is impossible; on sampling, if there are too few landmarks.

    Notes
    -----
    .. note:: The published code, which has this sampler for NAS-Bench-201 only, walks randomly
       away from the root and adds what it has after 500 steps, far enough or not, different from
       the others or not. The paper asks for the distance to the root only; `pairwise` is ours.

    Examples
    --------
    >>> from nni.mutable import Categorical
    >>> space = {label: Categorical('abc', label=label) for label in ('x', 'y')}
    >>> root, *mutants = LandmarkSampler(space).sample(4)
    >>> [hamming_distance(root, mutant) for mutant in mutants]
    [2, 2, 2]
    """

    def __init__(self, space: Mutable | Mapping[str, LabeledMutable], *,
                 threshold: int | None = None, pairwise: bool = False, seed: int = 0):
        self._space = ChoiceSpace(space)
        largest = len(self._space.movable)
        if threshold is not None and not 0 <= threshold < largest:
            raise ValueError('Expected a threshold from 0 to below the largest possible distance, '
                             f'{largest}, got {threshold}.')
        self.threshold, self.pairwise = threshold, pairwise
        self._random = np.random.RandomState(seed)
        # Architectures at the distances 0, 1, ... from any given one, without the constraints.
        self._shells = [1]
        for dimension in self._space.movable:
            self._shells = [near + far * (dimension.size - 1) for near, far in
                            zip([*self._shells, 0], [0, *self._shells])]

    def sample(self, count: int, root: Sample | None = None) -> list[Sample]:
        """Return `count` landmarks, the root first; `root` None draws it uniformly."""
        if count < 1:
            raise ValueError(f'Expected a count of at least 1, got {count}.')
        threshold = self._threshold_for(count)
        root = (self._space.draw_valid(lambda: self._space.draw(self._random)) if root is None
                else self._space.canonical(root))
        if self.pairwise:
            return self._spread(count, root, threshold)
        return [root, *self._space.distinct(
            lambda: self._mutant(root, threshold), count - 1, sum(self._shells[threshold + 1:]),
            accept=lambda sample: hamming_distance(sample, root) > threshold, random=self._random,
            what=f'mutants at a distance above {threshold} from the root')]

    def _threshold_for(self, count: int) -> int:
        largest = len(self._space.movable) - 1
        if self.threshold is not None or not self.pairwise:
            return largest if self.threshold is None else self.threshold
        return max((threshold for threshold in range(1, largest + 1) if 2 * (count - 1)
                    * sum(self._shells[:threshold + 1]) <= self._space.size), default=0)

    def _mutant(self, root: Sample, threshold: int) -> Sample:
        sample, movable = self._space.draw(self._random), self._space.movable
        for index in self._random.permutation(len(movable))[:threshold + 1]:
            label = movable[index].label
            sample[label] = movable[index].change(root[label], self._random)
        return sample

    def _spread(self, count: int, root: Sample, threshold: int) -> list[Sample]:
        placed, misses = [root], 0
        while len(placed) < count and misses < ATTEMPTS:
            sample = self._space.draw_valid(lambda: self._mutant(root, threshold))
            far = all(hamming_distance(sample, other) > threshold for other in placed)
            misses = 0 if far else misses + 1
            placed += [sample] if far else []
        if len(placed) < count:
            raise ValueError(f'Expected at most {len(placed)} landmarks at pairwise distances '
                             f'above {threshold}, the number placed, got count={count}; '
                             'threshold=None chooses one that leaves room.')
        return placed


class PairSampler:
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
