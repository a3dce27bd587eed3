"""Metrics that compare predicted scores with the true performance of architectures.

Every metric takes `scores` (predictions) and `targets` (truth), both of shape (N,) and both
higher is better, as a sequence, a NumPy array or a tensor on any device.
"""

from __future__ import annotations

from numbers import Integral
from typing import Any, Callable, Union

import numpy as np
import numpy.typing as npt
from scipy import stats
from torch import Tensor, float64

__all__ = [
    'kendall_tau', 'sparse_kendall_tau', 'spearman', 'pearson', 'concordant_pair_ratio',
    'top_k', 'bootstrap_interval',
]

Array = npt.NDArray[np.float64]
Values = Union[npt.ArrayLike, Tensor]

# In bins. Wide enough for targets that were once float32 (values near 1 at 1e-4 are off by 3e-4),
# far narrower than the steps of an accuracy that was counted on images.
_EDGE_TOLERANCE = 5e-4


def _to_array(name: str, values: Values) -> Array:
    if isinstance(values, Tensor):
        values = values.detach().to('cpu', float64).numpy()
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f'Expected {name} of shape (N,), got shape {array.shape}.')
    bad = int((~np.isfinite(array)).sum())
    if bad:
        raise ValueError(f'Expected finite {name}, got {bad} non-finite of {len(array)} entries; '
                         'leave out the architectures without a result.')
    return array


def _check(scores: Values, targets: Values) -> tuple[Array, Array]:
    predicted, truth = _to_array('scores', scores), _to_array('targets', targets)
    if len(predicted) != len(truth):
        raise ValueError('Expected scores and targets of the same length, '
                         f'got {len(predicted)} and {len(truth)}.')
    if len(truth) < 2:
        raise ValueError(f'Expected at least 2 architectures to compare, got {len(truth)}.')
    return predicted, truth


def _correlation(function: Callable[[Array, Array], Any], predicted: Array, truth: Array) -> float:
    # Asked before scipy, which warns about constant input for some coefficients only.
    if (predicted == predicted[0]).all() or (truth == truth[0]).all():
        return float('nan')
    return float(function(predicted, truth).statistic)


def kendall_tau(scores: Values, targets: Values) -> float:
    r"""Return Kendall's rank correlation, tau-b.

    .. math:: \tau_b = \frac{P - Q}{\sqrt{(P + Q + T)(P + Q + U)}}

    with P concordant and Q discordant pairs, T tied in the scores only, U in the targets only.

    Parameters
    ----------
    scores, targets
        Predictions and truth, shape (N,), higher is better.

    Returns
    -------
    float
        Between -1 and 1; NaN if the scores or the targets are constant, as no order is defined.

    Raises
    ------
    ValueError
        If the shapes differ or are not (N,) with N >= 2, or if an entry is not finite.

    Examples
    --------
    >>> round(kendall_tau([1., 2., 3., 4.], [10., 30., 20., 40.]), 3)
    0.667
    """
    return _correlation(stats.kendalltau, *_check(scores, targets))


def sparse_kendall_tau(scores: Values, targets: Values, resolution: float = 1e-3) -> float:
    """Return tau-b between the scores and the targets rounded to `resolution` (S-KdT).

    A target t falls into bin floor(t / resolution + 1/2): the nearest multiple, halves upwards.
    One that is less than 0.05 % of a bin below an edge counts as on the edge, so the rounding of
    binary fractions flips no bin. The scores are not rounded. Reported by Yu, Ranftl, Salzmann,
    "Landmark Regularization: Ranking Guided Super-Net Training in NAS", CVPR 2021.

    Parameters
    ----------
    scores, targets
        Predictions and truth, shape (N,), higher is better.
    resolution
        Width of a bin in the unit of the targets: 1e-3 for accuracies in [0, 1], 0.1 for percent.

    Returns
    -------
    float
        Between -1 and 1; NaN if the scores or the rounded targets are constant.

    Raises
    ------
    ValueError
        If `resolution` is not positive and finite, or for the reasons of `kendall_tau`.

    Notes
    -----
    .. note::
        The published code (github.com/kcyu2014/nas-landmarkreg, commit a00c361) takes the floor
        of floats, which flips values on a bin edge, and correlates the sorted bins with the bins
        in predicted order. Its ties are those of position, so it is not tau-b: up to 0.008 off at
        1e-3, 0.010 to 0.027 higher at 1e-2. It uses 1e-3, 1e-2 or 1e-4: state it with a number.

    Examples
    --------
    >>> scores, targets = [1., 2., 3., 4.], [0.9102, 0.9099, 0.9301, 0.9402]
    >>> round(kendall_tau(scores, targets), 3), round(sparse_kendall_tau(scores, targets), 3)
    (0.667, 0.913)
    """
    predicted, truth = _check(scores, targets)
    if not (np.isfinite(resolution) and resolution > 0):
        raise ValueError(f'Expected a positive, finite resolution, got {resolution}.')
    bins = np.floor(truth / resolution + 0.5 + _EDGE_TOLERANCE)
    return _correlation(stats.kendalltau, predicted, bins)


def spearman(scores: Values, targets: Values) -> float:
    """Return Spearman's rank correlation: Pearson's of the ranks, where ties share a mean rank.

    Parameters, result (NaN for constant input) and errors are those of `kendall_tau`.

    Examples
    --------
    >>> round(spearman([1., 2., 3., 4.], [10., 30., 20., 40.]), 3)
    0.8
    """
    return _correlation(stats.spearmanr, *_check(scores, targets))


def pearson(scores: Values, targets: Values) -> float:
    """Return Pearson's linear correlation: covariance over the product of standard deviations.

    Parameters, result (NaN for constant input) and errors are those of `kendall_tau`.

    Examples
    --------
    >>> round(pearson([1., 2., 3.], [2., 4., 9.]), 3)
    0.971
    """
    return _correlation(stats.pearsonr, *_check(scores, targets))


def concordant_pair_ratio(scores: Values, targets: Values) -> float:
    r"""Return the share of pairs that the scores order as the targets do, CPR.

    .. math:: CPR = \frac{P}{N (N - 1) / 2} = \frac{\tau_a + 1}{2} \text{ without ties}

    with P concordant pairs. A pair that is tied in the scores or in the targets is not
    concordant. Source: Dong et al., "RD-NAS", 2023.

    Parameters
    ----------
    scores, targets
        Predictions and truth, shape (N,), higher is better.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    ValueError
        For the reasons of `kendall_tau`.

    Notes
    -----
    .. note:: The published code multiplies accuracies instead of their differences, so that every
       super-net reaches 100 %.

    Examples
    --------
    >>> concordant_pair_ratio([1., 2., 3., 4.], [10., 20., 20., 5.])
    0.3333333333333333
    """
    predicted, truth = _check(scores, targets)
    first, second = np.triu_indices(len(truth), k=1)
    return float(np.mean(np.sign(predicted[first] - predicted[second])
                         * np.sign(truth[first] - truth[second]) > 0))


def top_k(scores: Values, targets: Values, k: int = 10) -> float:
    """Return the share of the true top k that is found among the k highest scores.

    Ties do not depend on the order of the architectures: everything as good as the k-th best
    target counts as true top, and of the architectures tied at the k-th highest score the
    expectation of a random pick is taken. Constant scores thus earn what chance earns.

    Parameters
    ----------
    scores, targets
        Predictions and truth, shape (N,), higher is better.
    k
        Number of architectures that are picked, 1 to N.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If `k` is not an integer in 1..N, or for the reasons of `kendall_tau`.

    Examples
    --------
    >>> top_k([4., 3., 2., 1.], [40., 10., 30., 20.], k=2)
    0.5
    """
    predicted, truth = _check(scores, targets)
    if not isinstance(k, Integral) or not 1 <= k <= len(truth):
        raise ValueError(f'Expected k to be an integer in 1..{len(truth)}, got {k}.')
    cut = np.sort(predicted)[-k]
    above, tied = predicted > cut, predicted == cut
    chance = (k - above.sum()) / tied.sum()
    hit = truth >= np.sort(truth)[-k]
    return float(((above & hit).sum() + chance * (tied & hit).sum()) / k)


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
    >>> scores, targets = list(range(20)), [x + 3 * (-1) ** x for x in range(20)]
    >>> low, high = bootstrap_interval(kendall_tau, scores, targets, resamples=200)
    >>> low < kendall_tau(scores, targets) < high
    True
    """
    predicted, truth = _check(scores, targets)
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
