"""Draw architectures uniformly."""

from __future__ import annotations

from typing import Collection, Mapping

import numpy as np
from nni.mutable import LabeledMutable, Mutable

from .._random import OwnsGenerator
from ..typing import Sample, sample_key
from .choice import ChoiceSpace

__all__ = ['UniformSampler']


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
