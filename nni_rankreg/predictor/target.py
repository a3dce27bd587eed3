"""What a predictor is trained on."""

from __future__ import annotations

import numpy as np
from scipy import stats

from ..metric.values import Array, Values, to_array

__all__ = ['label_values', 'metric_scores', 'normal_scores', 'normal_scores_among',
           'ranks_among', 'standardize']


def standardize(values: Array) -> Array:
    """Return values with mean 0 and standard deviation 1; constant values become 0.

    Examples
    --------
    >>> import numpy as np
    >>> standardize(np.array([1., 3.])).tolist()
    [-1.0, 1.0]
    """
    return (values - float(values.mean())) / (float(values.std()) or 1.)


def normal_scores(values: Array) -> Array:
    r"""Return what values would be if they were normally distributed, in the same order.

    .. math:: \Phi^{-1}\left(\frac{r - 1/2}{N}\right)

    of the ranks r from 1 to N; equal values share the mean of their ranks.

    Examples
    --------
    >>> import numpy as np
    >>> normal_scores(np.array([3., 1., 100.])).round(2).tolist()
    [0.0, -0.97, 0.97]
    """
    return stats.norm.ppf((stats.rankdata(values) - 0.5) / len(values))


def ranks_among(values: Array, reference: Array) -> Array:
    r"""Return where values stand among others, in (0, 1).

    .. math:: \frac{\#\{b: b < v\} + \frac12 \#\{b: b = v\} + \frac12}{M + 1}

    Parameters
    ----------
    values
        Shape (N,).
    reference
        The others b, sorted, shape (M,).

    Examples
    --------
    >>> import numpy as np
    >>> ranks_among(np.array([0., 2., 9.]), np.array([1., 2., 3.])).tolist()
    [0.125, 0.5, 0.875]
    """
    below = reference.searchsorted(values, 'left') + reference.searchsorted(values, 'right')
    return (below + 1) / (2 * len(reference) + 2)


def normal_scores_among(values: Values, reference: Values) -> Array:
    r"""Return the normal scores of values among others, :math:`\Phi^{-1}` of `ranks_among`.

    Parameters
    ----------
    values
        Shape (N,).
    reference
        Shape (M,), in any order.

    Examples
    --------
    >>> normal_scores_among([2.], [3., 1., 2.]).tolist()
    [0.0]
    """
    found, others = (np.asarray(one, dtype=np.float64) for one in (values, reference))
    return stats.norm.ppf(ranks_among(found, np.sort(others)))


def label_values(name: str, values: Values, count: int) -> Array:
    """Return labels as an array of shape (count,); raise ValueError if they are not or not finite.

    Parameters
    ----------
    name
        Of the labels, for errors.
    values
        One for each architecture.
    count
        Number of architectures.
    """
    array = to_array(name, values)
    if len(array) != count:
        raise ValueError(f'Expected {count} values of {name}, one for each architecture, got '
                         f'{len(array)}.')
    return array


def metric_scores(metric: Values, count: int) -> Array:
    """Return the normal scores of the metrics of at least two architectures.

    Parameters
    ----------
    metric
        One for each architecture.
    count
        Number of architectures.

    Raises
    ------
    ValueError
        If there are too few, as many are not there, or one is not finite.
    """
    if count < 2:
        raise ValueError(f'Expected at least 2 architectures to learn from, got {count}.')
    return normal_scores(label_values('metric', metric, count))
