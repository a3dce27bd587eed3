"""Draw diverse landmarks."""

from __future__ import annotations

from itertools import islice

import numpy as np

from ..typing import Constraints, Sample, Space
from .choice import ChoiceSpace, check_different
from .distance import hamming_distance
from .rejection import accepted, once

__all__ = ['LandmarkSampler']


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
    accept
        Which architectures may be landmarks; None accepts all.

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
    >>> from nni_rankreg.sampler import hamming_distance
    >>> space = {label: Categorical('abc', label=label) for label in ('x', 'y')}
    >>> root, *mutants = LandmarkSampler(space).sample(4)
    >>> [hamming_distance(root, mutant) for mutant in mutants]
    [2, 2, 2]
    """

    def __init__(self, space: Space, *,
                 threshold: int | None = None, pairwise: bool = False, seed: int = 0,
                 accept: Constraints = None):
        self._space = ChoiceSpace(space, accept)
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
        what = f'mutants at a distance above {threshold} from the root'
        check_different(count - 1, sum(self._shells[threshold + 1:]), what)
        far = once(accept=lambda sample: hamming_distance(sample, root) > threshold)
        mutants = self._space.distinct(
            lambda: self._mutant(root, threshold), count - 1, far, self._random)
        check_different(count - 1, len(mutants), what)
        return [root, *mutants]

    def _threshold_for(self, count: int) -> int:
        largest = max(0, len(self._space.movable) - 1)
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
        placed = [root]
        mutants = accepted(
            lambda: self._space.draw_valid(lambda: self._mutant(root, threshold)),
            lambda mutant: all(hamming_distance(mutant, one) > threshold for one in placed))
        for mutant in islice(mutants, count - 1):
            placed.append(mutant)
        if len(placed) < count:
            raise ValueError(f'Expected at most {len(placed)} landmarks at pairwise distances '
                             f'above {threshold}, the number placed, got count={count}; '
                             'threshold=None chooses one that leaves room.')
        return placed
