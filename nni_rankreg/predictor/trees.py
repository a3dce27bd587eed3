"""Randomised trees on the structure of architectures and what else is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from scipy.stats import norm, rankdata
from sklearn.ensemble import ExtraTreesRegressor
from torch import Tensor

from ..metric.values import Values
from ..typing import Sample, Space
from .encoder import default_encoder
from .graph import Graphs, StructuredEncoder
from .structure import structure_features
from .target import label_values

__all__ = ['Trees']

Architectures = Sequence[Sample] | Graphs | Tensor


class Trees:
    """Rank architectures after a few have been trained, without pretraining; a `Scorer`.

    Extremely randomised trees (Geurts et al., 2006), averaged, predict a metric from
    `structure_features` and from the hyper-parameters and evidence that are beside the graphs,
    `Graphs.extras`. They learn normal scores: the values that as many numbers of a standard normal
    distribution would have at the ranks of the results. In place of architectures every method
    takes their graphs or their `features`, which saves time where they are needed again.

    Parameters
    ----------
    space
        An NNI space, or the dict that its ``simplify()`` returns.
    encoder
        From architectures to graphs; None takes that of the space, see `default_encoder`.
    estimators
        Number of trees.
    max_features
        Share of the features among which each split is chosen: few make trees differ.
    seed
        Of the trees; global generators are left alone.
    **options
        Further arguments of scikit-learn's `ExtraTreesRegressor`.

    Examples
    --------
    >>> from nni.mutable import Categorical
    >>> space = {f'x{i}': Categorical([0, 1, 2], label=f'x{i}') for i in range(4)}
    >>> samples = [{f'x{i}': n // 3 ** i % 3 for i in range(4)} for n in range(81)]
    >>> trees = Trees(space).fit(samples[::4], [sum(sample.values()) for sample in samples[::4]])
    >>> mean, spread = trees.predict([samples[0], samples[41], samples[-1]])
    >>> bool(mean[0] < mean[1] < mean[2])
    True
    """

    def __init__(
        self, space: Space, *, encoder: StructuredEncoder | None = None, estimators: int = 200,
        max_features: float = 0.2, seed: int = 0, **options: Any,
    ):
        self.encoder = default_encoder(space) if encoder is None else encoder
        self._options = dict(n_estimators=estimators, max_features=max_features,
                             random_state=seed, **options)
        self._forest: ExtraTreesRegressor | None = None

    def features(self, samples: Sequence[Sample] | Graphs) -> Tensor:
        """Return what the trees see of N architectures, shape (N, K), float32."""
        graphs = samples if isinstance(samples, Graphs) else self.encoder(samples)
        structure = structure_features(graphs, self.encoder.node_features)
        return torch.cat([structure, graphs.extras], dim=1)

    def fit(self, samples: Architectures, metric: Values) -> Trees:
        """Learn the order of trained architectures; earlier fits are forgotten.

        Parameters
        ----------
        samples
            N architectures, at least 2.
        metric
            Their stand-alone performance, shape (N,), higher is better.

        Raises
        ------
        ValueError
            If there are too few, shapes do not fit, or a metric is not finite.
        """
        features = self._numbers(samples)
        if len(features) < 2:
            raise ValueError(f'Expected at least 2 architectures to learn from, got '
                             f'{len(features)}.')
        ranks = rankdata(label_values('metric', metric, len(features)))
        scores = norm.ppf((ranks - 0.5) / len(features))
        self._forest = ExtraTreesRegressor(**self._options).fit(features, scores)
        return self

    def predict(self, samples: Architectures) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation over the trees, each of shape (N,), float64.

        The unit is the standard deviation of the results of `fit`, as normal scores.

        Raises
        ------
        RuntimeError
            If the trees have not been fitted.
        ValueError
            If there are other features than in `fit`.
        """
        if self._forest is None:
            raise RuntimeError('Expected fitted trees; call fit first.')
        features, expected = self._numbers(samples), self._forest.n_features_in_
        if features.shape[1] != expected:                  # a single tree does not look
            raise ValueError(f'Expected {expected} features, as in fit, got {features.shape[1]}.')
        each = np.stack([tree.tree_.predict(features)[:, 0] for tree in self._forest.estimators_])
        return torch.from_numpy(each.mean(axis=0)), torch.from_numpy(each.std(axis=0))

    def score(self, samples: Architectures) -> Tensor:
        """Return the mean over the trees for N architectures, shape (N,), float64."""
        return self.predict(samples)[0]

    __call__ = score

    def _numbers(self, samples: Architectures) -> np.ndarray:
        features = samples if isinstance(samples, Tensor) else self.features(samples)
        return np.ascontiguousarray(features.numpy(), dtype=np.float32)
