"""Randomised trees on the structure of architectures and what else is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sklearn.ensemble import ExtraTreesRegressor

from ..metric.values import Values
from ..typing import Sample, Space
from .description import Description
from .prediction import MeanScorer, Prediction
from .target import metric_scores

__all__ = ['Trees']


class Trees(MeanScorer):
    r"""Rank architectures after a few have been trained, without pretraining; a `Scorer`.

    Extremely randomised trees (Geurts et al., 2006), averaged, predict performance from structure
    and evidence. They learn normal scores y: the values that as many numbers of a standard normal
    distribution would have at the ranks of the results. With few results, trees know less than the
    vote v of the evidence. Therefore they learn what this does not tell already,

    .. math:: y - s v, \qquad s = \frac{N_0}{N_0 + N} \cdot \frac{v^\top y}{v^\top v + 1},

    which is nearly all of y once there are many results N.

    Parameters
    ----------
    space
        An NNI space, or the dict that its ``simplify()`` returns.
    description
        From architectures to numbers; None is `Description` of the space.
    prior
        :math:`N_0`, the number of results that weigh as much as the vote; 0 is for trees alone.
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
        self, space: Space, *, description: Description | None = None, prior: float = 30.,
        estimators: int = 100, max_features: float = 0.2, seed: int = 0, **options: Any,
    ):
        if prior < 0:
            raise ValueError(f'Expected a prior of at least 0 results, got {prior}.')
        self.prior = prior
        self.description = Description(space) if description is None else description
        self._options = dict(n_estimators=estimators, max_features=max_features,
                             random_state=seed, **options)
        self._forest: ExtraTreesRegressor | None = None
        self._slope = 0.

    def fit(self, samples: Sequence[Sample], metric: Values) -> Trees:
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
        scores = metric_scores(metric, len(samples))
        features, vote = self.description.with_prior(samples)
        weight = self.prior / (self.prior + len(samples))
        self._slope = weight * float(vote @ scores) / float(vote @ vote + 1)
        self._forest = ExtraTreesRegressor(**self._options).fit(
            features, scores - self._slope * vote)
        return self

    def predict(self, samples: Sequence[Sample]) -> Prediction:
        """Return mean and standard deviation over the trees, each of shape (N,), float64.

        The unit is the standard deviation of the results of `fit`, as normal scores.

        Raises
        ------
        RuntimeError
            If the trees have not been fitted.
        """
        if self._forest is None:
            raise RuntimeError('Expected fitted trees; call fit first.')
        features, vote = self.description.with_prior(samples)
        each = np.stack([tree.tree_.predict(features)[:, 0] for tree in self._forest.estimators_])
        mean = self._slope * vote + each.mean(axis=0)
        return Prediction(torch.from_numpy(mean), torch.from_numpy(each.std(axis=0)))
