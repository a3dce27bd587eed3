"""What predictors of performance have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from torch import Tensor

from ..metric.values import Values
from ..typing import Sample

__all__ = ['MeanScorer', 'Prediction', 'Predictor']


class Prediction(NamedTuple):
    """What is expected of N architectures, and how uncertain that is, in the same unit."""

    mean: Tensor
    """Shape (N,), float64, higher is better."""
    spread: Tensor
    """Shape (N,), float64, a standard deviation; 0 where it is not known."""


class Predictor(Protocol):
    """Learns the performance of architectures from some of them; a `Scorer` once it is fitted."""

    def fit(self, samples: Sequence[Sample], metric: Values) -> Predictor:
        """Learn from N architectures and their stand-alone performance, higher is better."""
        ...

    def predict(self, samples: Sequence[Sample]) -> Prediction:
        """Return what is expected of architectures."""
        ...


class MeanScorer(ABC):
    """A `Scorer` by what a predictor expects."""

    @abstractmethod
    def predict(self, samples: Sequence[Sample]) -> Prediction:
        """Return what is expected of architectures."""

    def score(self, samples: Sequence[Sample]) -> Tensor:
        """Return what is expected of N architectures, shape (N,), float64, higher is better.

        Raises
        ------
        RuntimeError
            If the predictor has not been fitted.
        """
        return self.predict(samples).mean

    __call__ = score
