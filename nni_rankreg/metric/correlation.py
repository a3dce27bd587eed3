"""Correlations between the order of predicted scores and the true order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import stats

from .values import Array, Values, check

__all__ = ['kendall_tau', 'sparse_kendall_tau', 'spearman', 'pearson', 'concordant_pair_ratio']

# In bins. Wide enough for targets that were once float32 (values near 1 at 1e-4 are off by 3e-4),
# far narrower than the steps of an accuracy that was counted on images.
_EDGE_TOLERANCE = 5e-4


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
    return _correlation(stats.kendalltau, *check(scores, targets))


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
    predicted, truth = check(scores, targets)
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
    return _correlation(stats.spearmanr, *check(scores, targets))


def pearson(scores: Values, targets: Values) -> float:
    """Return Pearson's linear correlation: covariance over the product of standard deviations.

    Parameters, result (NaN for constant input) and errors are those of `kendall_tau`.

    Examples
    --------
    >>> round(pearson([1., 2., 3.], [2., 4., 9.]), 3)
    0.971
    """
    return _correlation(stats.pearsonr, *check(scores, targets))


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
    predicted, truth = check(scores, targets)
    first, second = np.triu_indices(len(truth), k=1)
    return float(np.mean(np.sign(predicted[first] - predicted[second])
                         * np.sign(truth[first] - truth[second]) > 0))
