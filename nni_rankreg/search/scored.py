"""Architectures with their scores."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from ..typing import Results, Sample, Scorer

__all__ = ['ScoredSample', 'best_first', 'score_samples']


class ScoredSample(dict):
    """An architecture that carries its score; otherwise NNI's plain architecture dict.

    Parameters
    ----------
    sample
        The architecture.
    score
        Higher is better.

    Examples
    --------
    >>> best = ScoredSample({'op': 'conv'}, 0.9)
    >>> best, best.score
    ({'op': 'conv'}, 0.9)
    """

    def __init__(self, sample: Sample, score: float):
        super().__init__(sample)
        self.score = score


def best_first(scored: Iterable[ScoredSample]) -> list[ScoredSample]:
    """Return the architectures with the highest scores first; equal ones keep their order.

    Examples
    --------
    >>> best_first([ScoredSample({'op': 'pool'}, 0.5), ScoredSample({'op': 'conv'}, 0.9)])
    [{'op': 'conv'}, {'op': 'pool'}]
    """
    found = list(scored)
    ordered = Results([*found], [one.score for one in found]).best_first()
    return [ScoredSample(sample, score) for sample, score in ordered.pairs()]


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
