"""Several objectives at once: who dominates whom, and how much of the space a front covers.

Points are of shape (N, M), each objective lower is better, as a sequence, a NumPy array or a
tensor. What is known of them is computed by moocore.
"""

from __future__ import annotations

import math

import moocore
import numpy as np
import numpy.typing as npt
from torch import Tensor

from .values import Array

__all__ = ['crowding', 'hypervolume', 'pareto_rank']

Points = npt.ArrayLike | Tensor

_BEYOND = 0.1  # how far the reference of crowding lies behind the worst points of a front


def pareto_rank(points: Points) -> npt.NDArray[np.int64]:
    """Return the number of fronts that dominate each point, shape (N,): 0 for the Pareto front.

    Equal points have the same rank. Source: Deb et al., "A fast and elitist multiobjective genetic
    algorithm: NSGA-II", IEEE Transactions on Evolutionary Computation, 2002; by moocore.

    Parameters
    ----------
    points
        Shape (N, M), lower is better.

    Raises
    ------
    ValueError
        If the shape is another, or a number is not finite.

    Examples
    --------
    >>> pareto_rank([[1., 9.], [2., 2.], [3., 3.], [2., 2.]]).tolist()
    [0, 0, 1, 0]
    """
    array = _to_points(points)
    if not len(array):
        return np.zeros(0, np.int64)
    return np.asarray(moocore.pareto_rank(array), np.int64)


def crowding(points: Points) -> Array:
    """Return how much of the hypervolume of a front each of its points covers alone, shape (N,).

    Objectives are scaled to the range of the front; a point that is the best in an objective has
    infinity, so that a front keeps its ends. Source: Beume, Naujoks and Emmerich, "SMS-EMOA",
    European Journal of Operational Research, 2007; by moocore.

    Parameters
    ----------
    points
        Of a front, shape (N, M), lower is better.

    Examples
    --------
    >>> crowding([[0., 4.], [1., 1.], [2., 0.9], [4., 0.]]).round(2).tolist()
    [inf, 0.19, 0.01, inf]
    """
    array = _to_points(points)
    if not len(array):
        return np.zeros(0)
    low, high = array.min(0), array.max(0)
    scaled = (array - low) / np.where(high > low, high - low, 1.)
    alone = np.asarray(moocore.hv_contributions(scaled, [1 + _BEYOND] * array.shape[1]), float)
    alone[scaled.argmin(0)] = math.inf
    return alone


def hypervolume(points: Points, reference: npt.ArrayLike) -> float:
    """Return the volume that points dominate, up to a reference; by moocore.

    Parameters
    ----------
    points
        Shape (N, M), lower is better; those beyond the reference count nothing.
    reference
        The worst that counts, shape (M,).

    Examples
    --------
    >>> hypervolume([[1., 2.], [2., 1.], [5., 0.]], reference=[3., 3.])
    3.0
    """
    array = _to_points(points)
    return float(moocore.hypervolume(array, np.asarray(reference, float))) if len(array) else 0.


def _to_points(points: Points) -> Array:
    array = np.asarray(points.detach().cpu() if isinstance(points, Tensor) else points, float)
    if array.size and array.ndim != 2:
        raise ValueError(f'Expected points of shape (N, M), got shape {array.shape}.')
    if not np.isfinite(array).all():
        raise ValueError('Expected points of finite numbers, got others.')
    return array
