"""One label of a space: its choices with their probabilities."""

from __future__ import annotations

import itertools
import math
from bisect import bisect
from typing import Any

import numpy as np
from nni.mutable import Categorical, CategoricalMultiple, LabeledMutable

from .rejection import ATTEMPTS, first_accepted

__all__ = ['Dimension', 'copy_choice']


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
        return copy_choice(self.choices[bisect(self.bounds, uniform)])

    def change(self, choice: Any, random: np.random.RandomState) -> Any:
        """Return a choice different from `choice`, uniform over the others."""
        if self.choices:
            index = random.randint(len(self.choices) - 1)
            return copy_choice(self.choices[index + (index >= self.choices.index(choice))])
        return first_accepted(lambda: self.draw(random, 0.), lambda other: other != choice,
                              lambda: ValueError(
                                  f'Expected another choice of {self.label!r} than {choice!r}, '
                                  f'got none in {ATTEMPTS} draws: loosen the constraints.'))

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


def copy_choice(choice: Any) -> Any:
    """Return the choice, a list as a list of its own."""
    return choice[:] if type(choice) is list else choice
