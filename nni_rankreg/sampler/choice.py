"""An NNI space in the form that samplers need: its labels with their choices, its constraints.

What the constraints of the space or a filter reject is drawn again, with the same relative
probabilities for the rest, and mutated again, with one more label after 100 rejections.
"""

from __future__ import annotations

import itertools
import math
import reprlib
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np
from nni.mutable import LabeledMutable, Mutable, MutableSymbol

from ..space import JointDraw
from ..typing import Accept, Constraints, Results, Sample, Space, choices_of, sample_keys
from .all_of import all_of
from .dimension import Dimension, copy_choice
from .rejection import ATTEMPTS, accepted, first_accepted

__all__ = ['ChoiceSpace', 'check_different', 'finite_metric']

_LISTED = 2 ** 17  # samples of a space that are listed to find the last few


class ChoiceSpace:
    """The dimensions and constraints of an NNI space, in the form samplers need.

    Of the architectures that meet the constraints, only those that `accept` accepts are drawn.
    """

    def __init__(self, space: Space, accept: Constraints = None):
        leaves = space.simplify() if isinstance(space, Mutable) else space
        if not isinstance(leaves, Mapping) or not all(
                isinstance(leaf, LabeledMutable) for leaf in leaves.values()):
            raise ValueError('Expected an NNI space or what its simplify() returns, got '
                             f'{type(space).__name__}.')
        self.dimensions = [Dimension(leaf) for leaf in leaves.values()
                           if isinstance(leaf, MutableSymbol)]
        self.constraints = [leaf for leaf in leaves.values()
                            if not isinstance(leaf, MutableSymbol)]
        self.accept = all_of(accept)
        self.movable = [dimension for dimension in self.dimensions if dimension.size > 1]
        if not self.dimensions:
            raise ValueError('Expected a space with at least one label to choose, got labels '
                             f'{sorted(leaves)}.')
        self.size = math.prod(dimension.size for dimension in self.movable)
        self._labels = {dimension.label for dimension in self.dimensions}
        self._known = {*self._labels, *(constraint.label for constraint in self.constraints)}

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

    def canonical(self, sample: Sample, what: str = 'an architecture') -> Sample:
        """Return the sample with the space's own objects, without what constraints wrote into it.

        Parameters
        ----------
        sample
            Its choices may be equal numbers of another type, and lists in the place of tuples.
        what
            Is wrong, for the message.

        Raises
        ------
        ValueError
            If it is no architecture of the space; naming the label.
        """
        if not isinstance(sample, Mapping):
            raise ValueError(f'Expected {what} as a dict, label to choice, got '
                             f'{reprlib.repr(sample)}.')
        if not self._labels <= sample.keys() <= self._known:
            wrong = [*(f'no {label!r}' for label in self._labels - sample.keys()),
                     *(f'{label!r} besides' for label in sample.keys() - self._known)]
            raise ValueError(f'Expected {what} with the labels '
                             f'{reprlib.repr(sorted(self._labels))}, got '
                             f'{", ".join(sorted(wrong)[:5])}.')
        result = {dimension.label: dimension.canonical(sample[dimension.label], what)
                  for dimension in self.dimensions}
        if not self.valid(result):
            raise ValueError(f'Expected {what} that satisfies the constraints of the space, got '
                             f'{reprlib.repr(sample)}.')
        return result

    def results(self, results: Results, what: str = 'result', of: str = '') -> Results:
        """Return results with the space's own objects, and the mean of repeated architectures.

        Parameters
        ----------
        results
            From anywhere.
        what, of
            One of them, and where they come from, for messages.

        Raises
        ------
        ValueError
            If there are not as many metrics as architectures, one is of no other space or has no
            finite metric; naming its number, from 1 on, and the label.
        """
        if len(results.samples) != len(results.metrics):
            raise ValueError(f'Expected a metric of each {what}{of}, got {len(results.metrics)} of '
                             f'{len(results.samples)}.')
        names = [f'{what} {number}{of}' for number in range(1, len(results.samples) + 1)]
        samples = self._canonical_rows(results.samples)
        if samples is None:            # one of them is wrong, or of a kind that takes its time
            samples = list(map(self.canonical, results.samples, names))
        metrics = list(map(finite_metric, results.metrics, names))
        keys = sample_keys(samples)
        if len(set(keys)) == len(keys):
            return Results(samples, metrics, results.mode)
        first = dict(zip(reversed(keys), reversed(samples)))
        together: dict[str, list[float]] = {}
        for key, metric in zip(keys, metrics):
            together.setdefault(key, []).append(metric)
        return Results([first[key] for key in together], list(map(fmean, together.values())),
                       results.mode)

    def _canonical_rows(self, samples: Sequence[Sample]) -> list[Sample] | None:
        """Return what `canonical` does of each sample, label by label; None if it cannot."""
        labels = [dimension.label for dimension in self.dimensions]
        choices = (choices_of(samples, labels) if all(type(one) is dict for one in samples)
                   else None)
        if choices is None:
            return None
        try:
            columns = list(map(Dimension.canonical_column, self.dimensions, choices))
        except ValueError:
            return None
        rows = [dict(zip(labels, row)) for row in zip(*columns)]
        return rows if not self.constraints or all(map(self.valid, rows)) else None

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


def finite_metric(metric: Any, what: str = 'an architecture') -> float:
    """Return a metric as a float; raise ValueError if it is a text or not finite.

    Examples
    --------
    >>> finite_metric(1), finite_metric(np.float32(0.5))
    (1.0, 0.5)
    """
    try:
        value = math.nan if isinstance(metric, str) else float(metric)
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f'Expected a finite number as the metric of {what}, got '
                         f'{reprlib.repr(metric)}.')
    return value


def check_different(count: int, available: int, what: str) -> None:
    """Raise ValueError if a space has not as many different architectures as are wanted."""
    if count > available:
        raise ValueError(f'Expected a space with {count} different {what}, got {available}.')
