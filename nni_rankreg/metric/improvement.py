"""By how much architectures are expected to enlarge what a front dominates."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from scipy.stats import qmc
from torch import Tensor

__all__ = ['Front', 'expected_improvement', 'hypervolume_improvement']

_CHUNK = 10_000  # architectures whose improvement is computed at a time
_DRAWS = 1024    # costs at which the improvement is looked at, of a Monte Carlo mean


class Front(NamedTuple):
    """The scores and costs of K architectures, and the worst that count.

    Examples
    --------
    >>> front = Front(torch.tensor([1.]), torch.tensor([[3.]]), 0., torch.tensor([4.]))
    >>> front.with_one(torch.tensor(2.), torch.tensor([3.5])).scores
    tensor([1., 2.])
    """

    scores: Tensor
    """Shape (K,), higher is better."""
    costs: Tensor
    """Shape (K, C), lower is better."""
    worst: float
    """Score of the reference."""
    limit: Tensor
    """Costs of the reference, shape (C,)."""

    def with_one(self, score: Tensor, costs: Tensor) -> Front:
        """Return the front with one more architecture, its costs of shape (C,)."""
        return Front(torch.cat([self.scores, score[None]]), torch.cat([self.costs, costs[None]]),
                     self.worst, self.limit)


def hypervolume_improvement(mean: Tensor, spread: Tensor, costs: Tensor, front: Front, *,
                            draws: int = _DRAWS, seed: int = 0) -> Tensor:
    r"""Return by how much each of N architectures is expected to enlarge the hypervolume.

    The score y of an architecture is normally distributed, its C costs c are known. With f(t), the
    best score so far at costs up to t, or that of the reference, the improvement is

    .. math:: \int_{c \le t \le r} \mathbb{E} \left[ \max(0, y - f(t)) \right] dt

    up to the costs r of the reference. It is exact for one cost, where f is a staircase; for
    several, the integral is a quasi Monte Carlo mean over t. Source: Emmerich, Giannakoglou and
    Naujoks, "Single- and Multiobjective Evolutionary Optimization Assisted by Gaussian Random
    Field Metamodels", IEEE Transactions on Evolutionary Computation, 2006.

    Parameters
    ----------
    mean, spread
        What is expected of the scores, higher is better, and its standard deviation, shape (N,).
    costs
        Shape (N, C), lower is better.
    front
        What is known; it may hold dominated architectures, or none.
    draws, seed
        Of the Monte Carlo mean.

    Returns
    -------
    Shape (N,), float64.

    Examples
    --------
    >>> front = Front(torch.tensor([1.]), torch.tensor([[3.]]), 0., torch.tensor([4.]))
    >>> hypervolume_improvement(torch.tensor([2., 1.]), torch.zeros(2),
    ...                         torch.tensor([[1.], [3.]]), front)
    tensor([5., 0.], dtype=torch.float64)
    """
    mean, spread, costs = mean.double(), spread.double(), costs.double()
    if front.costs.shape[1] == 1:
        regions: _Steps | _Draws = _Steps(front)
    else:
        regions = _Draws(front, costs, draws, seed)
    parts = [(expected_improvement(mean[rows, None], spread[rows, None], regions.levels)
              * regions.volumes(costs[rows])).sum(1)
             for rows in torch.arange(len(mean)).split(_CHUNK)]
    return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.float64)


def expected_improvement(mean: Tensor, spread: Tensor, level: Tensor) -> Tensor:
    r"""Return by how much normally distributed scores are expected to pass a level.

    .. math:: \mathbb{E} \left[ \max(0, y - f) \right] = \sigma \left( z \Phi(z) + \varphi(z)
              \right), \qquad z = \frac{\mu - f}{\sigma}

    Source: Jones, Schonlau and Welch, "Efficient Global Optimization of Expensive Black-Box
    Functions", Journal of Global Optimization, 1998.

    Parameters
    ----------
    mean, spread, level
        Of shapes that are broadcast; a spread may be 0.

    Examples
    --------
    >>> expected_improvement(torch.tensor(1.), torch.tensor(0.), torch.tensor([0.5, 2.]))
    tensor([0.5000, 0.0000])
    """
    gap = mean - level
    ratio = gap / spread.where(spread > 0, 1.)
    density = torch.exp(-ratio.square() / 2) / math.sqrt(2 * math.pi)
    expected = gap * torch.special.ndtr(ratio) + spread * density
    return expected.where(spread > 0, gap).clamp(min=0)


class _Steps:
    """The staircase of the best score over a single cost.

    Attributes
    ----------
    levels
        Score of each step, shape (S,).
    """

    def __init__(self, front: Front):
        cost, order = front.costs[:, 0].double().sort()
        best = front.scores.double()[order].clamp(min=front.worst).cummax(0).values
        start, end = torch.tensor([-math.inf]).double(), front.limit.double()
        self.levels = torch.cat([torch.full_like(start, front.worst), best])
        self._starts, self._ends = torch.cat([start, cost]), torch.cat([cost, end]).clamp(max=end)

    def volumes(self, costs: Tensor) -> Tensor:
        """Return the length of each step that an architecture can raise, shape (N, S)."""
        return (self._ends - torch.maximum(self._starts, costs)).clamp(min=0)


class _Draws:
    """The best score over several costs, at points that fill the box of these evenly.

    Attributes
    ----------
    levels
        The different scores of these points, shape (S,).
    """

    def __init__(self, front: Front, costs: Tensor, draws: int, seed: int):
        limit = front.limit.double()
        low = torch.minimum(costs.amin(0), limit)
        unit = torch.from_numpy(qmc.Sobol(len(limit), seed=seed).random(draws))
        self._points, self._volume = low + unit * (limit - low), (limit - low).prod() / draws
        reached = (front.costs.double()[None] <= self._points[:, None]).all(2)
        scores = torch.where(reached, front.scores.double(), front.worst)
        worst = torch.full((draws, 1), front.worst, dtype=torch.float64)
        self.levels, level = torch.cat([scores, worst], 1).amax(1).unique(return_inverse=True)
        self._of_level = torch.nn.functional.one_hot(level).double()

    def volumes(self, costs: Tensor) -> Tensor:
        """Return the volume of each score that an architecture can raise, shape (N, S)."""
        raised = (costs[:, None] <= self._points[None]).all(2)
        return raised.double() @ self._of_level * self._volume
