"""How well the best architectures are found."""

from __future__ import annotations

from numbers import Integral

import numpy as np

from .values import Array, Values, check, to_array

__all__ = ['ndcg', 'relevance', 'top_k']


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
    predicted, truth = check(scores, targets)
    if not isinstance(k, Integral) or not 1 <= k <= len(truth):
        raise ValueError(f'Expected k to be an integer in 1..{len(truth)}, got {k}.')
    cut = np.sort(predicted)[-k]
    above, tied = predicted > cut, predicted == cut
    chance = (k - above.sum()) / tied.sum()
    hit = truth >= np.sort(truth)[-k]
    return float(((above & hit).sum() + chance * (tied & hit).sum()) / k)


def relevance(targets: Values, *, quantile: float = 0.2, scale: float = 20.,
              bounds: tuple[float, float] | None = None) -> Array:
    r"""Return how relevant each architecture is for a search.

    .. math:: rel = U \cdot clip((y - lower) / (upper - lower), 0, 1)

    with lower the quantile and upper the maximum of the targets y, so that failures and other
    outliers do not squeeze the top. Source: Zhang et al., "AceNAS", 2021, section 3.1.

    Parameters
    ----------
    targets
        Truth, shape (N,), higher is better.
    quantile
        In [0, 1), interpolated linearly.
    scale
        U, the relevance of the best, > 0.
    bounds
        Lower and upper, instead of those of the targets: one scale for several sets.

    Returns
    -------
    Array
        Shape (N,), from 0 to `scale`; all 0 if all targets are equal.

    Raises
    ------
    ValueError
        If a parameter is out of range, or a target is not finite.

    Examples
    --------
    >>> relevance([0.1, 0.6, 0.65, 0.7], bounds=(0.6, 0.7)).round(6).tolist()
    [0.0, 0.0, 10.0, 20.0]
    """
    truth = to_array('targets', targets)
    if not 0 <= quantile < 1:
        raise ValueError(f'Expected a quantile in [0, 1), got {quantile}.')
    if not (np.isfinite(scale) and scale > 0):
        raise ValueError(f'Expected a positive, finite scale, got {scale}.')
    if bounds is not None and not -np.inf < bounds[0] < bounds[1] < np.inf:
        raise ValueError(f'Expected bounds (lower, upper) with lower < upper, got {bounds}.')
    if not len(truth):
        return truth
    lower, upper = bounds or (np.quantile(truth, quantile), truth.max())
    if lower == upper:                       # most are as good as the best, some may be worse
        return scale * ((truth == upper) & (truth.min() < upper))
    return scale * np.clip((truth - lower) / (upper - lower), 0, 1)


def ndcg(scores: Values, targets: Values, k: int | None = None, *, quantile: float = 0.2,
         scale: float = 20., bounds: tuple[float, float] | None = None) -> float:
    r"""Return the normalised discounted cumulative gain, NDCG.

    .. math:: NDCG = \frac{DCG}{IDCG}, \quad
        DCG = \sum_{i=1}^{k} \frac{2^{rel_i} - 1}{\log_2(i + 1)}

    with i the position in the order of the scores, highest first, and IDCG the same in the true
    order. Equal scores share the mean of their discounts, the expectation of a random order.
    Source: Zhang et al., "AceNAS", 2021, Eq. 1 and 2.

    Parameters
    ----------
    scores, targets
        Predictions and truth, shape (N,), higher is better.
    k
        Number of positions that count, at least 1; None counts all.
    quantile, scale, bounds
        From targets to relevance, see `relevance`. With 2^20 the best few decide.

    Returns
    -------
    float
        Between 0 and 1; NaN if no architecture is relevant, as no order is defined.

    Raises
    ------
    ValueError
        If `k` is not a positive integer, or for the reasons of `kendall_tau` and `relevance`.

    Examples
    --------
    >>> targets = [0.1, 0.6, 0.65, 0.7]
    >>> ndcg([1., 2., 3., 4.], targets), round(ndcg([1., 2., 4., 3.], targets), 3)
    (1.0, 0.689)
    """
    predicted, truth = check(scores, targets)
    if k is not None and (not isinstance(k, Integral) or k < 1):
        raise ValueError(f'Expected k to be a positive integer, got {k}.')
    gains = np.exp2(relevance(truth, quantile=quantile, scale=scale, bounds=bounds)) - 1
    discounts = 1 / np.log2(np.arange(2, len(truth) + 2))
    if k is not None:
        discounts[k:] = 0
    ideal = float(np.sort(gains)[::-1] @ discounts)
    if not ideal:
        return float('nan')
    _, group, count = np.unique(-predicted, return_inverse=True, return_counts=True)
    shares = np.add.reduceat(discounts, np.cumsum(count) - count) / count
    return float(gains @ shares[group]) / ideal
