"""From what is known of an architecture to its milliseconds, learned from measured networks."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct, Matern, WhiteKernel
from sklearn.linear_model import LinearRegression, RidgeCV
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler

from ...typing import Sample
from .feature import Features

__all__ = ['Estimator', 'best_estimator', 'relative_error']

_FOLDS, _FEWEST = 5, 3
_PENALTIES = np.logspace(-3, 4, 29)


class Estimator(Protocol):
    """Learns milliseconds from the features of architectures."""

    name: str

    def fit(self, samples: Sequence[Sample], milliseconds: np.ndarray) -> Estimator:
        """Learn from N measured networks and their latency, shape (N,)."""
        ...

    def predict(self, samples: Sequence[Sample]) -> np.ndarray:
        """Return the milliseconds that are expected, shape (N,)."""
        ...


class _Sum:
    """A multiple of each sum over an architecture, and a constant; errors are relative."""

    name = 'sum'

    def __init__(self, features: Features):
        self._features = features

    def fit(self, samples: Sequence[Sample], milliseconds: np.ndarray) -> _Sum:
        self._least = milliseconds.min() / 10
        self._model = LinearRegression(positive=True).fit(
            self._inputs(samples), milliseconds, sample_weight=milliseconds ** -2.)
        return self

    def predict(self, samples: Sequence[Sample]) -> np.ndarray:
        return np.maximum(self._model.predict(self._inputs(samples)), self._least)

    def _inputs(self, samples: Sequence[Sample]) -> np.ndarray:
        sums = self._features.sums(samples)            # of a space that has none, the constant
        return sums if sums.shape[1] else np.zeros((len(samples), 1))


class _Terms:
    """A sum, and a number of milliseconds more or less for each choice; errors are relative."""

    name = 'sum and ridge regression'

    def __init__(self, features: Features):
        self._features, self._sum = features, _Sum(features)

    def fit(self, samples: Sequence[Sample], milliseconds: np.ndarray) -> _Terms:
        self._sum.fit(samples, milliseconds)
        choices = self._features.choices(samples)
        self._scaler = StandardScaler().fit(choices)
        self._model = RidgeCV(_PENALTIES).fit(
            self._scaler.transform(choices), milliseconds - self._sum.predict(samples),
            sample_weight=milliseconds ** -2.)
        self._least = milliseconds.min() / 10
        return self

    def predict(self, samples: Sequence[Sample]) -> np.ndarray:
        found = self._model.predict(self._scaler.transform(self._features.choices(samples)))
        return np.maximum(self._sum.predict(samples) + found, self._least)


class _Factor:
    """A sum times a smooth function of the choices and of the logarithms of the sums."""

    name = 'sum and Gaussian process'

    def __init__(self, features: Features):
        self._features, self._sum = features, _Sum(features)

    def fit(self, samples: Sequence[Sample], milliseconds: np.ndarray) -> _Factor:
        self._sum.fit(samples, milliseconds)
        inputs = self._inputs(samples)
        self._scaler = StandardScaler().fit(inputs)
        kernel = (ConstantKernel(1., (1e-4, 1e4)) * Matern(10., (1., 1e4), nu=2.5)
                  + ConstantKernel(1., (1e-4, 1e4)) * DotProduct(1., 'fixed')
                  + WhiteKernel(0.1, (1e-6, 10.)))
        self._model = GaussianProcessRegressor(kernel, normalize_y=True)
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', ConvergenceWarning)  # a bound is an answer
            self._model.fit(self._scaler.transform(inputs),
                            np.log(milliseconds / self._sum.predict(samples)))
        return self

    def predict(self, samples: Sequence[Sample]) -> np.ndarray:
        found = self._model.predict(self._scaler.transform(self._inputs(samples)))
        return self._sum.predict(samples) * np.exp(found)

    def _inputs(self, samples: Sequence[Sample]) -> np.ndarray:
        return np.column_stack([np.log(self._features.sums(samples) + 1e-9),
                                self._features.choices(samples)])


def best_estimator(features: Features, samples: Sequence[Sample], milliseconds: np.ndarray
                   ) -> tuple[Estimator, dict[str, float]]:
    """Return the estimator that is best by cross-validation, fitted to all networks.

    Parameters
    ----------
    features
        Of the space.
    samples, milliseconds
        Measured networks, at least 3, and their latency, shape (N,).

    Returns
    -------
    estimator, errors
        And name -> mean relative error on networks that it had not seen, of each candidate.

    Raises
    ------
    ValueError
        If there are fewer networks.
    """
    if len(samples) < _FEWEST:
        raise ValueError(f'Expected at least {_FEWEST} networks of a space to learn from, got '
                         f'{len(samples)}.')
    kinds: list[Any] = [_Sum, _Terms, _Factor]
    folds = KFold(min(_FOLDS, len(samples)), shuffle=True, random_state=0)
    errors = {}
    for kind in kinds:
        found = np.empty(len(samples))
        for seen, unseen in folds.split(samples):
            fitted = kind(features).fit([samples[row] for row in seen], milliseconds[seen])
            found[unseen] = fitted.predict([samples[row] for row in unseen])
        errors[kind.name] = relative_error(found, milliseconds)
    best = min(kinds, key=lambda kind: errors[kind.name])
    return best(features).fit(samples, milliseconds), errors


def relative_error(found: np.ndarray, true: np.ndarray) -> float:
    """Return the mean of the absolute errors, each as a share of the true value.

    Examples
    --------
    >>> relative_error(np.array([1.5, 1.]), np.array([1., 2.]))
    0.5
    """
    return float(np.mean(np.abs(found - true) / true))
