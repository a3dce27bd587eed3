"""Draw pairs of architectures: of a list with known order, or of a space and far apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Union

import nni
import numpy as np
import torch
from nni.mutable import LabeledMutable, Mutable
from torch import Tensor, nn

from .._util.random import OwnsGenerator
from ..space import choice_parameters
from ..typing import Accept, Sample
from .choice import ATTEMPTS, ChoiceSpace, first_accepted, hamming_distance
from .uniform import UniformSampler

__all__ = ['PairSampler', 'MarginPairSampler', 'group_distance']

Groups = Mapping[str, Mapping[object, object]]
Distance = Union[str, Callable[[Sample, Sample], float]]


class PairSampler(OwnsGenerator):
    r"""Draws pairs of architectures with different targets, uniformly over all such pairs.

    These are the m pairs of Eq. 6 in Yu et al., "Landmark Regularization", CVPR 2021.

    Parameters
    ----------
    seed
        Of the sampler's own generator.

    Notes
    -----
    .. note:: The published code draws the first index uniformly and the second uniformly above
       it, which is not uniform over pairs: of 30 landmarks the two best meet 15 times too often.

    Examples
    --------
    >>> PairSampler().sample([0.3, 0.9, 0.3], 5)
    tensor([[1, 0],
            [1, 2]])
    """

    def __init__(self, seed: int = 0):
        self._random = np.random.default_rng(seed)
        self._targets = self._order = self._starts = self._ends = np.empty(0, dtype=np.int64)

    def sample(self, targets: Sequence[float] | np.ndarray | Tensor, count: int) -> Tensor:
        """Return `count` different pairs of indices, the better one of each pair first.

        Parameters
        ----------
        targets
            True performance, shape (N,), higher is better.
        count
            Number of pairs m.

        Returns
        -------
        Shape (m, 2), long, on the CPU. All pairs if there are fewer than `count`: (0, 2) if all
        targets are equal.

        Raises
        ------
        ValueError
            If the targets are not finite or not of shape (N,), or the count is negative.
        """
        if count < 0:
            raise ValueError(f'Expected a count of at least 0, got {count}.')
        self._index(np.array(targets.detach().cpu() if isinstance(targets, Tensor) else targets,
                             dtype=np.float64))
        total = int(self._ends[-1]) if len(self._ends) else 0
        numbers = (np.arange(total) if count >= total
                   else self._random.choice(total, count, replace=False))
        better = np.searchsorted(self._ends, numbers, side='right')
        worse = self._order[numbers - self._starts[better]]
        return torch.from_numpy(np.stack([self._order[better], worse], axis=1))

    def _index(self, targets: np.ndarray) -> None:
        """Give each pair a number: in O(N) memory, as each element meets all of lower target."""
        if np.array_equal(targets, self._targets):
            return
        if targets.ndim != 1 or not np.isfinite(targets).all():
            raise ValueError(f'Expected finite targets of shape (N,), got shape {targets.shape} '
                             f'with {int((~np.isfinite(targets)).sum())} non-finite values.')
        self._targets, self._order = targets, np.argsort(targets, kind='stable')
        ranked = targets[self._order]
        below = np.searchsorted(ranked, ranked, side='left')
        self._ends = np.cumsum(below)
        self._starts = self._ends - below


def group_distance(a: Sample, b: Sample, groups: Groups) -> float:
    """Return the distance of two architectures that counts changes of the kind of operation more.

    A label adds 0 if both choose the same, 0.5 if they choose differently within a group, and 2
    across groups. Source: Dong et al., "RD-NAS", 2023, Eq. 4.

    Parameters
    ----------
    a, b
        Architectures of one space.
    groups
        Label -> choice -> its group, anything that can be compared; two choices without a group
        are in the same one.

    Raises
    ------
    ValueError
        If the labels of the two are not the same.

    Examples
    --------
    >>> groups = {label: {'conv_1x1': 1, 'conv_3x3': 1, 'skip': 0} for label in ('x', 'y')}
    >>> group_distance({'x': 'conv_1x1', 'y': 'skip'}, {'x': 'conv_3x3', 'y': 'conv_3x3'}, groups)
    2.5
    """
    if a.keys() != b.keys():
        raise ValueError('Expected two architectures of one space, got the labels '
                         f'{sorted(a)} and {sorted(b)}.')
    distance = 0.
    for label, choice in a.items():
        if choice != b[label]:
            group = groups.get(label, {})
            distance += 0.5 if group.get(_key(choice)) == group.get(_key(b[label])) else 2.
    return distance


def _key(choice: object) -> object:
    return tuple(choice) if isinstance(choice, list) else choice


@nni.trace
class MarginPairSampler:
    r"""Draws pairs of architectures that are at least a margin apart.

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
        Of the sampler's own generator.

    Attributes
    ----------
    acceptance_rate
        Share of the drawn pairs that were far enough apart; NaN before the first draw. 0.5154 for
        a group distance of 6.7 on NAS-Bench-201.

    Raises
    ------
    ValueError
        If the distance is unknown; on `bind`, if no pair can be that far apart; on sampling, if
        10,000 draws in a row are not.

    .. note:: The published code draws the first architecture once and only the second one again,
       which prefers pairs with architectures that have few others far away, and never gives up.

    Examples
    --------
    >>> from nni_rankreg.space import NasBench201
    >>> sampler = MarginPairSampler('group', 6.7).bind(NasBench201())
    >>> pairs = [sampler.sample() for _ in range(2000)]
    >>> round(sampler.acceptance_rate, 1)
    0.5
    """

    def __init__(self, distance: Distance = 'hamming', margin: float = 0., *,
                 groups: Groups | None = None, seed: int = 0):
        if isinstance(distance, str) and distance not in ('hamming', 'group'):
            raise ValueError("Expected a distance of 'hamming', 'group' or a function, got "
                             f'{distance!r}.')
        if not margin >= 0:
            raise ValueError(f'Expected a margin of at least 0, got {margin}.')
        self.distance, self.margin, self.groups, self.seed = distance, margin, groups, seed
        self.drawn = self.accepted = 0

    @property
    def acceptance_rate(self) -> float:
        """Share of the drawn pairs that were far enough apart."""
        return self.accepted / self.drawn if self.drawn else float('nan')

    def bind(self, space: Mutable | Mapping[str, LabeledMutable],
             accept: Accept | None = None) -> MarginPairSampler:
        """Take the space to draw from, and which of its architectures count; return itself."""
        self._sampler = UniformSampler(space, self.seed, accept=accept)
        self._measure = self._distance_in(space)
        if isinstance(self.distance, str):
            self._check_margin(ChoiceSpace(space))
        return self

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the bound sampler, for a checkpoint."""
        return {**self._sampler.state_dict(), 'drawn': self.drawn, 'accepted': self.accepted}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` has returned; the sampler is bound."""
        self._sampler.load_state_dict(state)
        self.drawn, self.accepted = state['drawn'], state['accepted']

    def _distance_in(self, space: object) -> Callable[[Sample, Sample], float]:
        if not isinstance(self.distance, str):
            return self.distance
        if self.distance == 'hamming':
            return hamming_distance
        groups = _parametric(space) if self.groups is None else self.groups
        return lambda a, b: group_distance(a, b, groups)

    def sample(self) -> tuple[Sample, Sample]:
        """Return two architectures in the order in which they were drawn."""
        pair = first_accepted(
            self._draw, lambda drawn: self._measure(*drawn) >= self.margin, lambda: ValueError(
                f'Expected a pair at a distance of at least {self.margin}, got none in '
                f'{ATTEMPTS} draws: lower the margin.'), ATTEMPTS)
        self.accepted += 1
        return pair

    def _draw(self) -> tuple[Sample, Sample]:
        self.drawn += 1
        return self._sampler.sample(), self._sampler.sample()

    def _check_margin(self, space: ChoiceSpace) -> None:
        """Raise ValueError if the margin is above the largest distance of any two samples."""
        largest = sum(max(self._measure({dimension.label: one}, {dimension.label: other})
                          for one in dimension.choices for other in dimension.choices)
                      if dimension.choices else 1 for dimension in space.movable)
        if self.margin > largest:
            raise ValueError(f'Expected a margin of at most {largest:g}, the largest '
                             f'{self.distance} distance in the space, got {self.margin:g}.')


def _parametric(space: object) -> Groups:
    """Return label -> choice -> whether it has parameters."""
    if not isinstance(space, nn.Module):
        raise ValueError('Expected a model space to tell which choices have parameters, got '
                         f'{type(space).__name__}: give groups.')
    return {label: {choice: size > 0 for choice, size in sizes.items()}
            for label, sizes in choice_parameters(space).items()}
