"""Architectures with their scores."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from ..typing import Sample, Scorer

__all__ = ['ScoredSample', 'best_first', 'score_samples']


class ScoredSample(dict):
    """An architecture that carries its score; otherwise NNI's plain architecture dict.

    Parameters
    ----------
    sample
        The architecture.
    score
        Higher is better.
    costs
        Name -> cost, of a search with several objectives; lower is better.

    Attributes
    ----------
    objectives
        Score and costs.

    Examples
    --------
    >>> best = ScoredSample({'op': 'conv'}, 0.9, {'latency': 4.5})
    >>> best, best.score, best.objectives
    ({'op': 'conv'}, 0.9, {'score': 0.9, 'latency': 4.5})
    """

    def __init__(self, sample: Sample, score: float, costs: Mapping[str, float] | None = None):
        super().__init__(sample)
        self.score, self.costs = score, dict(costs or {})

    @property
    def objectives(self) -> dict[str, float]:
        """Score and costs by name."""
        return {'score': self.score, **self.costs}


def best_first(scored: Iterable[ScoredSample]) -> list[ScoredSample]:
    """Return the architectures with the highest scores first; equal ones keep their order.

    Examples
    --------
    >>> best_first([ScoredSample({'op': 'pool'}, 0.5), ScoredSample({'op': 'conv'}, 0.9)])
    [{'op': 'conv'}, {'op': 'pool'}]
    """
    return sorted(scored, key=lambda one: -math.inf if math.isnan(one.score) else one.score,
                  reverse=True)


def score_samples(samples: Sequence[Sample], scorer: Scorer) -> list[ScoredSample]:
    """Return architectures with their scores; NaN, as of a loss that overflows, is the worst.

    Parameters
    ----------
    samples
        Scored all at once.
    scorer
        Higher is better.

    Examples
    --------
    >>> import torch
    >>> [one.score for one in score_samples([{'x': 1}], lambda one: torch.tensor([math.nan]))]
    [-inf]
    """
    scores = scorer(samples).tolist()
    return [ScoredSample(sample, -math.inf if math.isnan(score) else score)
            for sample, score in zip(samples, scores)]
