"""Draw the architectures that a super-net trains together in one step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from numbers import Real
from typing import Any, Protocol

import numpy as np
from nni.mutable import LabeledMutable, Mutable
from torch import nn

from .._util.random import OwnsGenerator
from ..space import choice_parameters
from ..typing import Sample
from .choice import ChoiceSpace, Dimension, first_accepted
from .uniform import UniformSampler

__all__ = ['PathSampler', 'FairSampler', 'SandwichSampler']

_ATTEMPTS = 1000  # sets of architectures; each of them may violate a constraint


class PathSampler(Protocol):
    """Draws the architectures of each training step."""

    def paths(self) -> list[Sample]:
        """Return the architectures of one step; their losses are added."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return all that the next draws depend on, for a checkpoint."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` has returned."""
        ...


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

    def __init__(self, space: Mutable | Mapping[str, LabeledMutable], seed: int = 0):
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
        column = [copy(dimension.choices[index]) for index in left[:self._count]]
        del left[:self._count]
        return column


class SandwichSampler:
    """The sandwich rule: the largest, the smallest and some random architectures in every step.

    Source: Yu and Huang, "Universally Slimmable Networks", ICCV 2019; a peer of RD-NAS.

    Parameters
    ----------
    space
        A model space as written, not yet turned into a super-net.
    seed
        Of the random architectures.
    count
        Number of random architectures.
    largest, smallest
        The two architectures. None derives them: of layers the one with most (fewest) parameters,
        of equal ones the last, as a layer without output comes first where there is one; of
        numbers the largest (smallest). Labels with other choices, such as the inputs of a cell,
        are drawn anew in each step.

    Raises
    ------
    ValueError
        If `count` is negative, or `largest` or `smallest` is no architecture of the space.

    .. note:: The published code also distils the largest architecture's outputs into the others;
       here all are trained by the evaluator's own loss.

    Examples
    --------
    >>> from nni_rankreg.space import NasBench201
    >>> largest, smallest, *others = SandwichSampler(NasBench201()).paths()
    >>> set(largest.values()), set(smallest.values()), len(others)
    ({'conv_3x3'}, {'avg_pool_3x3'}, 2)
    """

    def __init__(self, space: nn.Module, seed: int = 0, *, count: int = 2,
                 largest: Sample | None = None, smallest: Sample | None = None):
        if count < 0:
            raise ValueError(f'Expected a count of at least 0, got {count}.')
        self._sampler, self._count = UniformSampler(space, seed), count
        choices, parameters = ChoiceSpace(space), choice_parameters(space)
        self._largest, self._smallest = (
            _extreme(choices, parameters, select) if given is None else choices.canonical(given)
            for given, select in ((largest, max), (smallest, min)))
        self._space = choices

    def paths(self) -> list[Sample]:
        """Return the largest, the smallest and `count` random architectures."""
        extremes = [self._space.draw_valid(lambda: {**self._sampler.sample(), **extreme})
                    for extreme in (self._largest, self._smallest)]
        return extremes + [self._sampler.sample() for _ in range(self._count)]

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the random architectures."""
        return self._sampler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` has returned."""
        self._sampler.load_state_dict(state)


def _extreme(space: ChoiceSpace, parameters: Mapping[str, Mapping[Any, int]],
             select: Callable[..., Any]) -> Sample:
    """Return the largest or smallest choice of each label whose choices have a size."""
    extreme: Sample = {}
    for dimension in space.dimensions:
        sizes = parameters.get(dimension.label)
        if sizes is not None:
            best = select(sizes.values())
            extreme[dimension.label] = [name for name, size in sizes.items() if size == best][-1]
        elif dimension.choices and all(isinstance(one, Real) for one in dimension.choices):
            extreme[dimension.label] = select(dimension.choices)
    return extreme
