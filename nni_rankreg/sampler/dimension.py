"""One label of a space: its choices with their probabilities, and how the space spells them."""

from __future__ import annotations

import itertools
import math
import reprlib
from bisect import bisect
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from nni.mutable import Categorical, CategoricalMultiple, LabeledMutable

from ..typing import map_choices
from .rejection import ATTEMPTS, first_accepted

__all__ = ['Dimension', 'copy_choice']


class Dimension:
    """One label: its choices and their probabilities, or NNI's own draw if they are too many.

    Raises
    ------
    ValueError
        If a choice is nothing that JSON keeps: architectures are told apart by it, and travel.
    """

    def __init__(self, mutable: LabeledMutable):
        self.mutable, self.label = mutable, mutable.label
        values = [_python_choice(one, self.label) for one in getattr(mutable, 'values', ())]
        self._own = {_hashable(value): value for value in values}
        self._spellings: dict[Hashable, Any] = {}  # what has been found to be a choice
        self.size, weighted = _weighted_choices(mutable, values)
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

    def canonical(self, choice: Any, what: str = 'an architecture') -> Any:
        """Return the space's own object for an equal choice: 8 for 8.0, a tuple for a list.

        Parameters
        ----------
        choice
            Of this label.
        what
            Whose choice it is, for the message.

        Raises
        ------
        ValueError
            If there is no such choice.
        """
        try:
            own = self._spellings[tuple(choice) if type(choice) is list else choice]
        except (KeyError, TypeError):  # not seen before, or nothing that a dict can look up
            own = self._checked(choice, what)
            if self._own:
                self._spellings[_hashable(choice)] = own
        return copy_choice(own)

    def canonical_column(self, choices: Sequence[Any]) -> list[Any]:
        """Return what `canonical` does of many choices; equal ones are one object, also lists."""
        return map_choices(self.canonical, choices)

    def _checked(self, choice: Any, what: str) -> Any:
        try:
            own = self._spelled(choice)
            known = own in self.choices if self.choices else self.mutable.contains(
                {self.label: own})
        except (KeyError, TypeError, ValueError):
            known = False
        if not known:
            among = reprlib.repr(list(self._own.values())) if self._own else repr(self.mutable)
            some = 'some' if isinstance(self.mutable, CategoricalMultiple) else 'one'
            raise ValueError(f'Expected {some} of {among} as {self.label!r} of {what}, got '
                             f'{reprlib.repr(choice)}.')
        return own

    def _spelled(self, choice: Any) -> Any:
        if not self._own:
            return _number(choice)
        if not isinstance(self.mutable, CategoricalMultiple):
            return self._own[_hashable(choice)]
        chosen = set(map(_hashable, choice))
        if isinstance(choice, str) or len(chosen) < len(choice) or not chosen <= self._own.keys():
            raise ValueError(choice)
        return [value for key, value in self._own.items() if key in chosen]


def _weighted_choices(mutable: LabeledMutable, values: list[Any]
                      ) -> tuple[int, list[tuple[Any, float]]]:
    """Return the number of choices and, if they are few, the choices with their weights."""
    if isinstance(mutable, Categorical):
        return len(values), list(zip(values, mutable.weights))
    if not isinstance(mutable, CategoricalMultiple):
        return 2 ** 64, []                     # a real number: as many choices as a float has
    chosen = mutable.n_chosen
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


def _python_choice(choice: Any, label: str) -> Any:
    """Return a choice of a space with Python's numbers in the place of NumPy's."""
    if isinstance(choice, np.generic):
        choice = choice.item()
    if isinstance(choice, dict) and all(isinstance(name, str) for name in choice):
        return {name: _python_choice(one, label) for name, one in choice.items()}
    if isinstance(choice, (list, tuple)):
        values = (_python_choice(one, label) for one in choice)
        return list(values) if isinstance(choice, list) else tuple(values)
    if choice is not None and not isinstance(choice, (str, int, float)):
        raise ValueError(f'Expected choices of {label!r} that JSON keeps (numbers, texts, '
                         'booleans, None, lists and dicts of these), got '
                         f'{reprlib.repr(choice)}.')
    return choice


def _hashable(choice: Any) -> Hashable:
    """Return what is equal for equal choices, lists and tuples being alike."""
    if isinstance(choice, (list, tuple)):
        return tuple(map(_hashable, choice))
    if isinstance(choice, dict):
        return frozenset((name, _hashable(one)) for name, one in choice.items())
    return choice


def _number(choice: Any) -> float:
    """Return a finite number as Python's float; raise if it is a text, or none."""
    if isinstance(choice, str) or not math.isfinite(choice):
        raise ValueError(choice)
    return float(choice)
