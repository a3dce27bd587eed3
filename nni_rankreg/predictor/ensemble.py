"""Several predictors as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ..metric.values import Values
from ..typing import Sample, Space
from .description import Description
from .evidence import Evidence
from .gaussian_process import GaussianProcess
from .prediction import MeanScorer, Prediction, Predictor
from .ranker import Ranker
from .trees import Trees

__all__ = ['Ensemble']

_DECIMALS = 9
_LEAST = 1e-6   # deviation of predictions: a member that predicts a constant says nothing


class Ensemble(MeanScorer):
    r"""Average several predictors, with a spread that grows where these disagree; a `Scorer`.

    .. math:: m(a) = \frac1K \sum_k z_k(a), \qquad
              s^2(a) = \frac1K \sum_k \left(\sigma_k^2(a) + z_k^2(a)\right) - m^2(a)

    with the predictions :math:`z_k` of each member, standardised over random architectures of the
    space, and the uncertainty :math:`\sigma_k` of each in the same unit: the law of total variance.

    Parameters
    ----------
    space
        An NNI space, or the dict that its ``simplify()`` returns.
    evidence
        What is known before any training; all members get it. None for nothing.
    members
        Name -> predictor; None takes a `GaussianProcess` and `Trees` on structure and evidence, and
        with weak labels a `Ranker`.
    description
        What the default members see of architectures; None is a `Description` of space and
        evidence.
    seed
        Of the members.
    progress
        Whether to show progress bars.

    Examples
    --------
    >>> from nni.mutable import Categorical
    >>> space = {f'x{i}': Categorical([0, 1, 2], label=f'x{i}') for i in range(4)}
    >>> samples = [{f'x{i}': n // 3 ** i % 3 for i in range(4)} for n in range(81)]
    >>> ensemble = Ensemble(space)
    >>> ensemble = ensemble.fit(samples[::4], [sum(sample.values()) for sample in samples[::4]])
    >>> mean, spread = ensemble.predict(samples)
    >>> bool(mean[-1] > mean[0]), bool((spread > 0).all())
    (True, True)
    """

    def __init__(self, space: Space, *, evidence: Evidence | None = None,
                 members: Mapping[str, Predictor] | None = None,
                 description: Description | None = None, seed: int = 0, progress: bool = True):
        self.description = description or Description(space, evidence=evidence)
        self.seed, self.progress, self._space = seed, progress, space
        self.members: dict[str, Predictor] = dict(members) if members is not None else {
            'process': GaussianProcess(space, description=self.description),
            'trees': Trees(space, description=self.description, seed=seed)}
        if not self.members:
            raise ValueError('Expected at least one predictor, got none.')
        self._scales: dict[str, tuple[Tensor, Tensor]] = {}

    def pretrain(self, samples: Sequence[Sample], weak: Mapping[str, Values]) -> Ensemble:
        """Add a `Ranker` that has learnt weak labels, see `Ranker.pretrain`.

        Parameters
        ----------
        samples
            N architectures.
        weak
            Name -> labels, shape (N,).
        """
        ranker = Ranker(self._space, encoder=self.description.encoder, seed=self.seed,
                        progress=self.progress)
        self.members['ranker'] = ranker.pretrain(samples, weak)
        return self

    def fit(self, samples: Sequence[Sample], metric: Values) -> Ensemble:
        """Let each member learn from trained architectures.

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
        for name, member in self.members.items():
            mean = member.fit(samples, metric).predict(self.description.reference).mean
            self._scales[name] = mean.mean(), mean.std().clamp(min=_LEAST)
        return self

    def predict(self, samples: Sequence[Sample]) -> Prediction:
        """Return what the members expect of N architectures on average, and the spread of it.

        Raises
        ------
        RuntimeError
            If the ensemble has not been fitted.
        """
        if not self._scales:
            raise RuntimeError('Expected a fitted ensemble; call fit first.')
        means, spreads = [], []
        for name, member in self.members.items():
            mean, spread = member.predict(samples)
            center, scale = self._scales[name]
            means.append((mean - center) / scale)
            spreads.append(spread / scale)
        every = torch.stack(means)
        variance = torch.stack(spreads).square().mean(0) + every.var(0, unbiased=False)
        # Those described alike tie, whatever the others are that are predicted with them.
        return Prediction(every.mean(0).round(decimals=_DECIMALS), variance.sqrt())
