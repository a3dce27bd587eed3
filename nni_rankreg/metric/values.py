"""Values of architectures in the forms that metrics take."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from torch import Tensor, float64

__all__ = ['Array', 'Values', 'check', 'to_array']

Array = npt.NDArray[np.float64]
Values = npt.ArrayLike | Tensor


def to_array(name: str, values: Values) -> Array:
    """Return `values` as an array of shape (N,); raise ValueError if it is not or not finite."""
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


def check(scores: Values, targets: Values) -> tuple[Array, Array]:
    """Return both as arrays of one shape (N,), N >= 2; raise ValueError if they are not."""
    predicted, truth = to_array('scores', scores), to_array('targets', targets)
    if len(predicted) != len(truth):
        raise ValueError('Expected scores and targets of the same length, '
                         f'got {len(predicted)} and {len(truth)}.')
    if len(truth) < 2:
        raise ValueError(f'Expected at least 2 architectures to compare, got {len(truth)}.')
    return predicted, truth
