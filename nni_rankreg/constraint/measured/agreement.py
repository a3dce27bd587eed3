"""How far a latency agrees with a measurement."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...metric import spearman
from .estimator import relative_error

__all__ = ['Agreement']


class Agreement(NamedTuple):
    """How far a latency agrees with a measurement of networks that it has not seen."""

    networks: int
    """How many."""
    error: float
    """Mean of the absolute errors, each as a share of the measured milliseconds."""
    correlation: float
    """Spearman's."""
    again_error: float
    """The same of a second measurement of the same networks."""
    again_correlation: float

    def __str__(self) -> str:
        return (f'On {self.networks} networks that it has not seen: error {self.error:.1%}, '
                f'Spearman {self.correlation:.3f}. A second measurement of these: '
                f'{self.again_error:.1%}, {self.again_correlation:.3f}.')

    @classmethod
    def of(cls, found: np.ndarray, first: np.ndarray, second: np.ndarray) -> Agreement:
        """Return how milliseconds and a second measurement agree with a first one, each (N,).

        Examples
        --------
        >>> first = np.array([1., 2., 4.])
        >>> Agreement.of(first * 1.5, first, first[::-1]).error
        0.5
        """
        return cls(len(first), relative_error(found, first), spearman(found, first),
                   relative_error(second, first), spearman(second, first))
