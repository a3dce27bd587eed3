"""An NNI space in the form that samplers need: its labels with their choices, its constraints.

What the constraints of the space or a filter reject is drawn again, with the same relative
probabilities for the rest, and mutated again, with one more label after 100 rejections.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping

import numpy as np
from nni.mutable import LabeledMutable, Mutable, MutableSymbol

from ..space import JointDraw
from ..typing import Accept, Sample, Space
from .dimension import Dimension, copy_choice
from .rejection import ATTEMPTS, accepted, first_accepted

__all__ = ['ChoiceSpace', 'check_different']

_LISTED = 2 ** 17  # samples of a space that are listed to find the last few


class ChoiceSpace:
    """The dimensions and constraints of an NNI space, in the form samplers need.

    Of the architectures that meet the constraints, only those that `accept` accepts are drawn.
    """

    def __init__(self, space: Space, accept: Accept | None = None):
        leaves = space.simplify() if isinstance(space, Mutable) else space
        if not isinstance(leaves, Mapping) or not all(
                isinstance(leaf, LabeledMutable) for leaf in leaves.values()):
            raise ValueError('Expected an NNI space or what its simplify() returns, got '
                             f'{type(space).__name__}.')
        self.dimensions = [Dimension(leaf) for leaf in leaves.values()
                           if isinstance(leaf, MutableSymbol)]
        self.constraints = [leaf for leaf in leaves.values()
                            if not isinstance(leaf, MutableSymbol)]
        self.accept = accept
        self.movable = [dimension for dimension in self.dimensions if dimension.size > 1]
        if not self.dimensions:
            raise ValueError('Expected a space with at least one label to choose, got labels '
                             f'{sorted(leaves)}.')
        self.size = math.prod(dimension.size for dimension in self.movable)

    def draw(self, random: np.random.RandomState) -> Sample:
        """Return a sample that may violate a constraint."""
        uniforms = random.random_sample(len(self.dimensions)).tolist()
        sample = {dimension.label: dimension.draw(random, uniform)
                  for dimension, uniform in zip(self.dimensions, uniforms)}
        for constraint in self.constraints:
            if isinstance(constraint, JointDraw):
                sample.update(constraint.draw(random))
        return sample

    def valid(self, sample: Sample) -> bool:
        """Return whether all constraints hold. On a copy: some of NNI's write into the sample."""
        return all(constraint.contains(dict(sample)) for constraint in self.constraints)

    def allowed(self, sample: Sample) -> bool:
        """Return whether all constraints hold and the sample is accepted."""
        return self.valid(sample) and (self.accept is None or self.accept(sample))

    def draw_valid(self, draw: Callable[[], Sample]) -> Sample:
        """Return the first draw that is allowed."""
        if not self.constraints and self.accept is None:
            return draw()
        return first_accepted(draw, self.allowed, self._none_allowed)

    def canonical(self, sample: Sample) -> Sample:
        """Return the sample as the samplers spell it, without what constraints wrote into it."""
        labels = {dimension.label for dimension in self.dimensions}
        notes = {constraint.label for constraint in self.constraints}
        if not labels <= sample.keys() <= labels | notes:
            raise ValueError(f'Expected an architecture with the labels {sorted(labels)}, got '
                             f'{sorted(sample)}.')
        try:
            result = {dimension.label: dimension.canonical(sample[dimension.label])
                      for dimension in self.dimensions}
        except (TypeError, ValueError) as error:
            raise ValueError(f'Expected an architecture of the space, got {sample}.') from error
        if not self.valid(result):
            raise ValueError(f'Expected an architecture that satisfies the constraints of the '
                             f'space, got {sample}.')
        return result

    def distinct(self, draw: Callable[[], Sample], count: int, new: Accept,
                 random: np.random.RandomState) -> list[Sample]:
        """Return `count` different samples, or fewer if the space has no more.

        Parameters
        ----------
        draw
            Returns a sample, which may violate a constraint.
        count
            Number of samples.
        new
            Of `once`: accepts each sample that counts, the first time.
        random
            Shuffles the last few of a small space, which are listed, as draws hardly hit them.
        """
        draws = accepted(lambda: self.draw_valid(draw), new, ATTEMPTS // 10)
        samples = list(itertools.islice(draws, count))
        if len(samples) < count:
            rest = list(filter(new, self.every(_LISTED) or []))
            samples += [rest[row] for row in random.permutation(len(rest))[:count - len(samples)]]
        return samples

    def every(self, limit: int, most: int | None = None) -> list[Sample] | None:
        """Return all allowed samples of a space, or None if there are too many.

        Parameters
        ----------
        limit
            Number of samples that a space may have, allowed or not.
        most
            Number of those that may be allowed; None is no fewer than `limit`.
        """
        if self.size > limit or not all(dimension.choices for dimension in self.dimensions):
            return None
        labels = [dimension.label for dimension in self.dimensions]
        products = itertools.product(*(dimension.choices for dimension in self.dimensions))
        samples = (dict(zip(labels, map(copy_choice, choices))) for choices in products)
        most = limit if most is None else most
        allowed = list(itertools.islice(filter(self.allowed, samples), most + 1))
        return allowed if len(allowed) <= most else None

    def _none_allowed(self) -> ValueError:
        also = '' if self.accept is None else f' and is accepted by {self.accept}'
        return ValueError(f'Expected a sample that satisfies the constraints{also}, got none in '
                          f'{ATTEMPTS} draws: loosen the constraints.')


def check_different(count: int, available: int, what: str) -> None:
    """Raise ValueError if a space has not as many different architectures as are wanted."""
    if count > available:
        raise ValueError(f'Expected a space with {count} different {what}, got {available}.')
