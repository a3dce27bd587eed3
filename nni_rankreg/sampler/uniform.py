"""Draw architectures uniformly."""

from __future__ import annotations

import itertools
from collections.abc import Collection

import numpy as np

from .._util.random import OwnsGenerator
from ..typing import Constraints, Sample, Space, sample_key
from .choice import ChoiceSpace, check_different
from .rejection import once

__all__ = ['UniformSampler']

_MUTANTS = 100  # that may not be drawn, before one more label changes


class UniformSampler(OwnsGenerator):
    """Draws every label independently, as NNI's `RandomOneShot` does when it resamples.

    A label is uniform over its choices unless the space gives them weights. Draws that violate a
    constraint of the space are repeated.

    Parameters
    ----------
    space
        An NNI space, or the dict that its ``simplify()`` returns.
    seed
        Of the sampler's own generator; global generators are neither used nor changed.
    accept
        Which architectures may be drawn, for example a `LatencyConstraint`; None accepts all.
        What is accepted keeps its relative probabilities.

    Raises
    ------
    ValueError
        If `space` is no space or leaves nothing to choose; on drawing, if none of 10,000 draws
        satisfies the constraints and is accepted.

    Examples
    --------
    >>> from nni.mutable import Categorical
    >>> sampler = UniformSampler({'width': Categorical([8, 16, 32], label='width')})
    >>> sorted(sample['width'] for sample in sampler.distinct(3))
    [8, 16, 32]
    """

    def __init__(self, space: Space, seed: int = 0, *, accept: Constraints = None):
        self._space = ChoiceSpace(space, accept)
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
        excluded = {sample_key(one): one for one in map(self._space.canonical, exclude)}
        what = f'architectures, {len(excluded)} excluded'
        check_different(count, self._space.size - len(excluded), what)
        samples = self._space.distinct(self._draw, count, once(excluded.values()), self._random)
        check_different(count, len(samples), what)
        return samples

    def up_to(self, count: int) -> list[Sample]:
        """Return `count` different architectures, or fewer if the space does not hold as many."""
        return self._space.distinct(self._draw, count, once(), self._random)

    def canonical(self, sample: Sample) -> Sample:
        """Return an architecture with the space's own choices for equal ones: 8 for 8.0.

        Raises
        ------
        ValueError
            If it is no architecture of the space; naming the label.
        """
        return self._space.canonical(sample)

    def mutate(self, sample: Sample) -> Sample:
        """Return a copy of `sample` with one label, drawn uniformly, changed to another choice.

        After 100 such copies that may not be drawn, up to two labels change, then three, and so on.
        """
        parent, attempts = self._space.canonical(sample), itertools.count()
        return self._space.draw_valid(
            lambda: self._changed(parent, 1 + next(attempts) // _MUTANTS))

    def _draw(self) -> Sample:
        return self._space.draw(self._random)

    def _changed(self, parent: Sample, labels: int) -> Sample:
        child, movable = {**parent}, self._space.movable
        for _ in range(min(labels, len(movable))):
            dimension = movable[self._random.randint(len(movable))]
            child[dimension.label] = dimension.change(parent[dimension.label], self._random)
        return child
