"""A Gaussian process on what architectures are described by."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct, Matern, WhiteKernel

from ..metric.values import Values
from ..typing import Sample, Space
from .description import Description
from .prediction import MeanScorer, Prediction
from .target import metric_scores

__all__ = ['GaussianProcess']

_CHUNK = 10_000  # architectures that are predicted at a time
_LONGEST = 1e4  # scale of the kernel: beyond, architectures differ in nothing but noise and vote
_NOISE, _NOISE_RANGE = 0.1, (1e-4, 1.)  # of a training, as a share of the variance of the metrics


class GaussianProcess(MeanScorer):
    r"""Rank architectures by a Gaussian process on structure and evidence; a `Scorer`.

    .. math:: y \sim \mathcal{N}(\mu,\, c\, k(x, x') + d\, (1 + v v') +
              \sigma^2 \delta_{xx'}), \qquad x = (\text{structure}, \text{evidence})

    with the normal scores y of the metrics, a Matérn kernel k of smoothness 5/2, the vote v of the
    evidence, to which performance is about proportional, and c, d, the length and the noise
    :math:`\sigma^2` at the maximum of the likelihood. The length is at least :math:`\sqrt K` for K
    features: two random architectures are :math:`\sqrt{2 K}` apart, and with a shorter length the
    process would remember results in place of learning from them.

    With few results the process ranks as well as trees do that begin from the vote, see
    docs/results/few_results.md, and is the quickest; the time to fit grows with the third power of
    the number of results. Source: Rasmussen and Williams, "Gaussian Processes for Machine
    Learning", 2006, Algorithm 2.1; by scikit-learn.

    Parameters
    ----------
    space
        An NNI space, or the dict that its ``simplify()`` returns.
    description
        From architectures to numbers; None is `Description` of the space.
    results
        Largest number of results that are learnt from: the best, if there are more.

    Examples
    --------
    >>> from nni.mutable import Categorical
    >>> space = {f'x{i}': Categorical([0, 1, 2], label=f'x{i}') for i in range(4)}
    >>> samples = [{f'x{i}': n // 3 ** i % 3 for i in range(4)} for n in range(81)]
    >>> process = GaussianProcess(space)
    >>> process = process.fit(samples[::4], [sum(sample.values()) for sample in samples[::4]])
    >>> mean, spread = process.predict(samples)
    >>> bool(mean[-1] > mean[0])
    True
    """

    def __init__(self, space: Space, *, description: Description | None = None,
                 results: int = 1000):
        self.description = Description(space) if description is None else description
        self.results = results
        self._model: Any = None

    def fit(self, samples: Sequence[Sample], metric: Values) -> GaussianProcess:
        """Learn from trained architectures.

        Parameters
        ----------
        samples
            N architectures, at least 2.
        metric
            Their stand-alone performance, shape (N,), higher is better.

        Raises
        ------
        ValueError
            If shapes do not fit, or a metric is not finite.
        """
        targets = metric_scores(metric, len(samples))
        rows = (-targets).argsort(kind='stable')[:self.results]
        features = self._features([samples[row] for row in rows])
        shortest = math.sqrt(features.shape[1])
        kernel = (ConstantKernel() * Matern(shortest, (shortest, _LONGEST), nu=2.5)
                  + WhiteKernel(_NOISE, _NOISE_RANGE))
        if self.description.evidence is not None:
            kernel += ConstantKernel(1., (1e-3, 1e3)) * _ProportionalToVote(1., 'fixed')
        self._model = GaussianProcessRegressor(kernel, normalize_y=True)
        with warnings.catch_warnings():
            # A parameter at its bound is an answer: no noise, or a length beyond the space.
            warnings.simplefilter('ignore', ConvergenceWarning)
            self._model.fit(features, targets[rows])
        return self

    def predict(self, samples: Sequence[Sample]) -> Prediction:
        """Return the normal scores that are expected of N architectures.

        Raises
        ------
        RuntimeError
            If it has not been fitted.
        """
        if self._model is None:
            raise RuntimeError('Expected a fitted Gaussian process; call fit first.')
        if not samples:
            return Prediction(torch.zeros(0).double(), torch.zeros(0).double())
        features = self._features(samples)
        # Of all at once, the covariances with the results would take gigabytes.
        parts = [self._model.predict(features[first:first + _CHUNK], return_std=True)
                 for first in range(0, len(features), _CHUNK)]
        mean, spread = (torch.from_numpy(np.concatenate(part)) for part in zip(*parts))
        return Prediction(mean, spread)

    def _features(self, samples: Sequence[Sample]) -> np.ndarray:
        """Return what the kernels see of N architectures, the vote last if there is one."""
        features, vote = self.description.with_prior(samples)
        return features if self.description.evidence is None else np.column_stack([features, vote])


class _ProportionalToVote(DotProduct):
    """The covariance of functions that are linear in the last feature."""

    def __call__(self, X: Any, Y: Any = None, eval_gradient: bool = False) -> Any:
        return super().__call__(X[:, -1:], None if Y is None else Y[:, -1:], eval_gradient)

    def diag(self, X: Any) -> Any:
        return super().diag(X[:, -1:])
