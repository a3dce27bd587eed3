"""Strict fairness: every choice of every label in every step."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._util.random import OwnsGenerator
from ..typing import Sample, Space
from .choice import ChoiceSpace
from .dimension import Dimension, copy_choice
from .rejection import first_accepted

__all__ = ['FairSampler']

_ATTEMPTS = 1000  # sets of architectures; each of them may violate a constraint


class FairSampler(OwnsGenerator):
    """Strict fairness: in every step each choice of every label is trained once.

    A step has as many architectures as the label with most choices; each label runs through a
    random permutation of its choices, one with fewer choices through several, so that over many
    steps its choices are trained equally often. Source: Chu et al., "FairNAS", ICCV 2021.

    Parameters
    ----------
    space
        An NNI space, or the dict that its ``simplify()`` returns.
    seed
        Of the sampler's own generator.

    Raises
    ------
    ValueError
        If a label has too many choices to go through all, such as a real number; on drawing, if
        the constraints of the space cannot be met.

    Examples
    --------
    >>> from nni.mutable import Categorical
    >>> space = {'op': Categorical('abc', label='op'), 'width': Categorical([8, 16], label='width')}
    >>> paths = FairSampler(space).paths()
    >>> len(paths), sorted(path['op'] for path in paths)
    (3, ['a', 'b', 'c'])
    """

    def __init__(self, space: Space, seed: int = 0):
        self._space = ChoiceSpace(space)
        self._random = np.random.RandomState(seed)
        endless = [dimension.label for dimension in self._space.movable if not dimension.choices]
        if endless:
            raise ValueError('Expected labels with a list of choices, each of which is trained '
                             f'once in a step, got {endless} with too many of them.')
        self._count = max(len(dimension.choices) for dimension in self._space.dimensions)
        self._left: list[list[int]] = [[] for _ in self._space.dimensions]  # indices of choices

    def paths(self) -> list[Sample]:
        """Return as many architectures as a label has choices at most."""
        return first_accepted(
            self._draw, lambda paths: all(map(self._space.valid, paths)), lambda: ValueError(
                'Expected a space whose choices can be drawn independently, got none of '
                f'{_ATTEMPTS} draws within its constraints: use another sampler.'), _ATTEMPTS)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the generator, and what is left of the permutations."""
        return {**super().state_dict(), 'left': [list(left) for left in self._left]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` has returned."""
        super().load_state_dict(state)
        self._left = [list(left) for left in state['left']]

    def _draw(self) -> list[Sample]:
        """Return architectures that may violate a constraint."""
        columns = {dimension.label: self._column(dimension, left)
                   for dimension, left in zip(self._space.dimensions, self._left)}
        return [dict(zip(columns, row)) for row in zip(*columns.values())]

    def _column(self, dimension: Dimension, left: list[int]) -> list[Any]:
        """Return the next choices of a label; its permutations continue over the steps."""
        while len(left) < self._count:
            left += self._random.permutation(len(dimension.choices)).tolist()
        column = [copy_choice(dimension.choices[index]) for index in left[:self._count]]
        del left[:self._count]
        return column
