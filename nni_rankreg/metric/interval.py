"""How certain a metric is."""

from __future__ import annotations

from numbers import Integral
from typing import Callable

import numpy as np

from .values import Array, Values, check

__all__ = ['bootstrap_interval']


def bootstrap_interval(
    metric: Callable[[Array, Array], float], scores: Values, targets: Values, *,
    confidence: float = 0.95, resamples: int = 1000, seed: int = 0,
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of a metric over the choice of architectures.

    Architectures, i.e. pairs of score and target, are drawn N times with replacement. This tells
    how the metric varies with the evaluated architectures, not with the seed of a training.

    Parameters
    ----------
    metric
        Function of (scores, targets); fix further arguments with `functools.partial`.
    scores, targets
        Predictions and truth, shape (N,), higher is better.
    confidence
        Probability mass inside the interval, in (0, 1).
    resamples
        Number of resamples; those on which the metric is NaN are dropped.
    seed
        Seed of the generator; equal seeds give equal intervals.

    Returns
    -------
    tuple of float
        Lower and upper end; (NaN, NaN) if the metric is NaN on every resample.

    Raises
    ------
    ValueError
        If `confidence` or `resamples` is out of range, or for the reasons of `kendall_tau`.

    Examples
    --------
    >>> from nni_rankreg.metric import kendall_tau
    >>> scores, targets = list(range(20)), [x + 3 * (-1) ** x for x in range(20)]
    >>> low, high = bootstrap_interval(kendall_tau, scores, targets, resamples=200)
    >>> low < kendall_tau(scores, targets) < high
    True
    """
    predicted, truth = check(scores, targets)
    if not 0 < confidence < 1:
        raise ValueError(f'Expected confidence in (0, 1), got {confidence}.')
    if not isinstance(resamples, Integral) or resamples < 1:
        raise ValueError(f'Expected resamples to be a positive integer, got {resamples}.')
    generator = np.random.default_rng(seed)
    draws = (generator.integers(len(truth), size=len(truth)) for _ in range(resamples))
    values = np.array([metric(predicted[drawn], truth[drawn]) for drawn in draws])
    if np.isnan(values).all():
        return float('nan'), float('nan')
    low, high = np.nanquantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
