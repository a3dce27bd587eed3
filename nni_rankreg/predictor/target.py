"""What a predictor is trained on."""

from __future__ import annotations

from ..metric.values import Array, Values, to_array

__all__ = ['label_values', 'standardize']


def standardize(values: Array) -> Array:
    """Return values with mean 0 and standard deviation 1; constant values become 0.

    Examples
    --------
    >>> import numpy as np
    >>> standardize(np.array([1., 3.])).tolist()
    [-1.0, 1.0]
    """
    return (values - float(values.mean())) / (float(values.std()) or 1.)


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
