"""An NNI space in the form that samplers need: its labels with their choices, its constraints.

What the constraints of the space or a filter reject is drawn again, with the same relative
probabilities for the rest, and mutated again, with one more label after 100 rejections.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import numpy as np
from nni.mutable import Categorical, CategoricalMultiple, LabeledMutable, Mutable, MutableSymbol

from ..space import JointDraw
from ..typing import Accept, Sample, sample_key

__all__ = ['ATTEMPTS', 'ChoiceSpace', 'Dimension', 'first_accepted']

Drawn = TypeVar('Drawn')

ATTEMPTS = 10_000
"""Draws in a row that may fail before a sampler gives up."""


class Dimension:
    """One label: its choices and their probabilities, or NNI's own draw if they are too many."""

    def __init__(self, mutable: LabeledMutable):
        self.mutable, self.label = mutable, mutable.label
        self.size, weighted = _weighted_choices(mutable)
        weighted = [(choice, weight) for choice, weight in weighted if weight > 0]
        self.choices = [choice for choice, _ in weighted]
        totals = list(itertools.accumulate(weight for _, weight in weighted))
        self.bounds = [total / totals[-1] for total in totals[:-1]]
        self.size = len(self.choices) or self.size

    def draw(self, random: np.random.RandomState, uniform: float) -> Any:
        """Return a choice; `uniform` is a number in [0, 1) that decides where choices are few."""
        if not self.choices:
            choice = self.mutable.random({}, random)
            return float(choice) if isinstance(choice, float) else choice
        return _copy(self.choices[bisect(self.bounds, uniform)])

    def change(self, choice: Any, random: np.random.RandomState) -> Any:
        """Return a choice different from `choice`, uniform over the others."""
        if self.choices:
            index = random.randint(len(self.choices) - 1)
            return _copy(self.choices[index + (index >= self.choices.index(choice))])
        return first_accepted(lambda: self.draw(random, 0.), lambda other: other != choice,
                              lambda: _none_of(f'another choice of {self.label!r} than '
                                               f'{choice!r}'))

    def canonical(self, choice: Any) -> Any:
        """Return `choice` as this label spells it."""
        if isinstance(self.mutable, CategoricalMultiple):
            choice = sorted(choice, key=self.mutable.values.index)
        if (choice not in self.choices if self.choices
                else not self.mutable.contains({self.label: choice})):
            raise ValueError(choice)
        return choice


def _weighted_choices(mutable: LabeledMutable) -> tuple[int, list[tuple[Any, float]]]:
    """Return the number of choices and, if they are few, the choices with their weights."""
    if isinstance(mutable, Categorical):
        return len(mutable.values), list(zip(mutable.values, mutable.weights))
    if not isinstance(mutable, CategoricalMultiple):
        return 2 ** 64, []                     # a real number: as many choices as a float has
    values, chosen = mutable.values, mutable.n_chosen
    if chosen == 1:
        return len(values), [([value], weight) for value, weight in zip(values, mutable.weights)]
    lengths = range(len(values) + 1) if chosen is None else [chosen]
    size = sum(math.comb(len(values), length) for length in lengths)
    if size > 1024 or (chosen is not None and len(set(mutable.weights)) > 1):
        return size, []                        # draws without replacement have no simple weights
    masks = [[value in subset for value in values] for length in lengths
             for subset in itertools.combinations(values, length)]
    return size, [([value for value, used in zip(values, mask) if used],
                   math.prod(weight if used else 1 - weight
                             for weight, used in zip(mutable.weights, mask))) for mask in masks]


def _copy(choice: Any) -> Any:
    return choice[:] if type(choice) is list else choice


def first_accepted(draw: Callable[[], Drawn], accept: Callable[[Drawn], bool],
                   failure: Callable[[], Exception], attempts: int = ATTEMPTS) -> Drawn:
    """Return the first draw that is accepted; raise the failure after so many that are not.

    Examples
    --------
    >>> numbers = iter([5, 6, 7])
    >>> first_accepted(lambda: next(numbers), lambda number: number > 5, ValueError)
    6
    """
    for _ in range(attempts):
        drawn = draw()
        if accept(drawn):
            return drawn
    raise failure()


def _none_of(wanted: str) -> ValueError:
    return ValueError(f'Expected {wanted}, got none in {ATTEMPTS} draws: loosen the constraints.')


class ChoiceSpace:
    """The dimensions and constraints of an NNI space, in the form samplers need.

    Of the architectures that meet the constraints, only those that `accept` accepts are drawn.
    """

    def __init__(self, space: Mutable | Mapping[str, LabeledMutable],
                 accept: Accept | None = None):
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

    def draw_valid(self, propose: Callable[[], Sample]) -> Sample:
        """Return the first of the proposed samples that is allowed."""
        if not self.constraints and self.accept is None:
            return propose()
        return first_accepted(propose, self.allowed, lambda: _none_of(
            'a sample that satisfies the constraints'
            + ('' if self.accept is None else f' and is accepted by {self.accept}')))

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

    def distinct(self, propose: Callable[[], Sample], count: int, available: int, *, what: str,
                 random: np.random.RandomState, seen: Iterable[str] = (),
                 accept: Accept = lambda sample: True) -> list[Sample]:
        """Return `count` different samples whose keys are not in `seen`, or raise ValueError."""
        samples: list[Sample] = []
        known, misses = set(seen), 0
        while count <= available and len(samples) < count and misses < ATTEMPTS // 10:
            sample = self.draw_valid(propose)
            misses = misses + 1 if sample_key(sample) in known else 0
            if not misses:
                known.add(sample_key(sample))
                samples.append(sample)
        if len(samples) < count <= available:  # the last few of a small space are hard to hit
            rest = [sample for sample in self.every(2 ** 17) or []
                    if sample_key(sample) not in known and accept(sample)]
            order = random.permutation(len(rest))[:count - len(samples)]
            samples += [rest[index] for index in order]
            available = len(samples)
        if count > available:
            raise ValueError(f'Expected a space with {count} different {what}, got {available}.')
        return samples

    def every(self, limit: int) -> list[Sample] | None:
        """Return all allowed samples of a space of up to `limit`, None of a larger one."""
        if self.size > limit or not all(dimension.choices for dimension in self.dimensions):
            return None
        labels = [dimension.label for dimension in self.dimensions]
        products = itertools.product(*(dimension.choices for dimension in self.dimensions))
        samples = (dict(zip(labels, map(_copy, choices))) for choices in products)
        return [sample for sample in samples if self.allowed(sample)]
