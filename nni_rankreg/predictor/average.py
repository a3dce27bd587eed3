"""The average of several scorers, whatever their units."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..typing import Sample, Scorer, sample_key
from .scorers import as_scores, scorer_name
from .target import normal_scores_among

__all__ = ['RankAverage', 'Remembered']


class Remembered:
    """A scorer that is asked once for each architecture.

    Parameters
    ----------
    scorer
        Takes its time.

    Examples
    --------
    >>> width = Remembered(lambda samples: torch.tensor([float(one['width']) for one in samples]))
    >>> width([{'width': 8}, {'width': 16}, {'width': 8}])
    tensor([ 8., 16.,  8.], dtype=torch.float64)
    """

    def __init__(self, scorer: Scorer):
        self.scorer = scorer
        self._scores: dict[str, float] = {}

    def __call__(self, samples: Sequence[Sample]) -> Tensor:
        """Return the scores of N architectures, shape (N,), float64, higher is better."""
        keys = list(map(sample_key, samples))
        new = {key: sample for key, sample in zip(keys, samples) if key not in self._scores}
        if new:
            scores = as_scores(self.scorer(list(new.values())), len(new), scorer_name(self.scorer))
            self._scores.update(zip(new, scores.tolist()))
        return torch.tensor([self._scores[key] for key in keys], dtype=torch.float64)


class RankAverage:
    """Average the ranks of several scorers, as normal scores among the same architectures.

    Parameters
    ----------
    scorers
        What is averaged.
    reference
        Architectures among which all are ranked.

    Examples
    --------
    >>> width = lambda samples: torch.tensor([float(sample['width']) for sample in samples])
    >>> cheap = lambda samples: -1000 * width(samples)
    >>> samples = [{'width': 8}, {'width': 16}, {'width': 32}]
    >>> RankAverage([width, cheap], samples)(samples)
    tensor([0., 0., 0.], dtype=torch.float64)
    """

    def __init__(self, scorers: Sequence[Scorer], reference: Sequence[Sample]):
        if not scorers:
            raise ValueError('Expected at least one scorer to average, got none.')
        self.scorers = list(scorers)
        self._reference = [_finite(scorer, reference) for scorer in self.scorers]

    def __call__(self, samples: Sequence[Sample]) -> Tensor:
        """Return the average of N architectures, shape (N,), float64, higher is better."""
        ranked = [torch.from_numpy(normal_scores_among(_finite(scorer, samples), reference))
                  for scorer, reference in zip(self.scorers, self._reference)]
        return torch.stack(ranked).mean(dim=0)


def _finite(scorer: Scorer, samples: Sequence[Sample]) -> Tensor:
    """Return scores of which those that are no numbers are lower than all others."""
    scores = as_scores(scorer(samples), len(samples), scorer_name(scorer))
    return scores.nan_to_num(nan=-math.inf, posinf=-math.inf)
