"""Draw pairs of architectures that are far apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import nni

from ..typing import Constraints, Sample, Space
from .choice import ChoiceSpace
from .distance import Groups, group_distance, hamming_distance, parameter_groups
from .rejection import ATTEMPTS, first_accepted
from .uniform import UniformSampler

__all__ = ['MarginPairSampler', 'MarginPairs']

Distance = Callable[[Sample, Sample], float]


@nni.trace
class MarginPairSampler:
    r"""Pairs of architectures that are at least a margin apart: the recipe; `over` draws them.

    Both are drawn uniformly until :math:`d(a, b) \ge \mu`, so all pairs far enough apart are
    equally likely. Source: Dong et al., "RD-NAS", 2023, section 3.3.

    Parameters
    ----------
    distance
        ``'hamming'``, ``'group'`` (see `group_distance`), or a function of two architectures, for
        example the difference of two scores.
    margin
        :math:`\mu`, the smallest distance. 0 takes every pair.
    groups
        Of the group distance: label -> choice -> group. None puts the operations with parameters
        into one group and those without into another.
    seed
        Of the draws.

    Raises
    ------
    ValueError
        If the distance is unknown.

    .. note:: The published code draws the first architecture once and only the second one again,
       which prefers pairs with architectures that have few others far away, and never gives up.

    Examples
    --------
    >>> from nni_rankreg.space import NasBench201
    >>> pairs = MarginPairSampler('group', 6.7).over(NasBench201())
    >>> drawn = [pairs.sample() for _ in range(2000)]
    >>> round(pairs.acceptance_rate, 1)
    0.5
    """

    def __init__(self, distance: str | Distance = 'hamming', margin: float = 0., *,
                 groups: Groups | None = None, seed: int = 0):
        if isinstance(distance, str) and distance not in ('hamming', 'group'):
            raise ValueError("Expected a distance of 'hamming', 'group' or a function, got "
                             f'{distance!r}.')
        if not margin >= 0:
            raise ValueError(f'Expected a margin of at least 0, got {margin}.')
        self.distance, self.margin, self.groups, self.seed = distance, margin, groups, seed

    def over(self, space: Space, accept: Constraints = None) -> MarginPairs:
        """Return what draws such pairs of a space, from the seed on; the recipe stays as it is.

        Parameters
        ----------
        space
            An NNI space, or the dict that its ``simplify()`` returns.
        accept
            Which of its architectures count; None accepts all.

        Raises
        ------
        ValueError
            If no pair can be that far apart.
        """
        distance = self._distance_in(space)
        if isinstance(self.distance, str):
            largest = _largest(distance, ChoiceSpace(space))
            if self.margin > largest:
                raise ValueError(f'Expected a margin of at most {largest:g}, the largest '
                                 f'{self.distance} distance in the space, got {self.margin:g}.')
        return MarginPairs(UniformSampler(space, self.seed, accept=accept), distance, self.margin)

    def _distance_in(self, space: Space) -> Distance:
        if not isinstance(self.distance, str):
            return self.distance
        if self.distance == 'hamming':
            return hamming_distance
        groups = parameter_groups(space) if self.groups is None else self.groups
        return lambda a, b: group_distance(a, b, groups)


def _largest(distance: Distance, space: ChoiceSpace) -> float:
    """Return the largest distance of any two samples; a real number counts as one change."""
    return sum(max(distance({dimension.label: one}, {dimension.label: other})
                   for one in dimension.choices for other in dimension.choices)
               if dimension.choices else 1 for dimension in space.movable)


class MarginPairs:
    """Draws pairs of one space that are at least a margin apart; `MarginPairSampler` makes it.

    Parameters
    ----------
    sampler
        Draws single architectures.
    distance
        Of two architectures.
    margin
        The smallest distance.

    Attributes
    ----------
    drawn, accepted
        Number of pairs so far, and of those far enough apart.

    Examples
    --------
    >>> from nni.mutable import Categorical
    >>> space = {'width': Categorical([8, 16, 32], label='width')}
    >>> difference = lambda a, b: abs(a['width'] - b['width'])
    >>> sorted(one['width'] for one in MarginPairs(UniformSampler(space), difference, 20).sample())
    [8, 32]
    """

    def __init__(self, sampler: UniformSampler, distance: Distance, margin: float):
        self._sampler, self._distance, self._margin = sampler, distance, margin
        self.drawn = self.accepted = 0

    @property
    def acceptance_rate(self) -> float:
        """Share of the drawn pairs that were far enough apart; NaN before the first draw.

        0.5154 for a group distance of 6.7 on NAS-Bench-201.
        """
        return self.accepted / self.drawn if self.drawn else float('nan')

    def sample(self) -> tuple[Sample, Sample]:
        """Return two architectures in the order in which they were drawn.

        Raises
        ------
        ValueError
            If 10,000 pairs in a row are not far enough apart.
        """
        pair = first_accepted(
            self._draw, lambda drawn: self.far(*drawn), lambda: ValueError(
                f'Expected a pair at a distance of at least {self._margin}, got none in '
                f'{ATTEMPTS} draws: lower the margin.'), ATTEMPTS)
        self.accepted += 1
        return pair

    def far(self, first: Sample, second: Sample) -> bool:
        """Return whether two architectures are at least the margin apart."""
        return self._distance(first, second) >= self._margin

    def state_dict(self) -> dict[str, Any]:
        """Return all that the next draws depend on, for a checkpoint."""
        return {**self._sampler.state_dict(), 'drawn': self.drawn, 'accepted': self.accepted}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` has returned."""
        self._sampler.load_state_dict(state)
        self.drawn, self.accepted = state['drawn'], state['accepted']

    def _draw(self) -> tuple[Sample, Sample]:
        self.drawn += 1
        return self._sampler.sample(), self._sampler.sample()
