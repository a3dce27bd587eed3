"""Architectures with their scores."""

from __future__ import annotations

from collections.abc import Iterable

from ..typing import Results, Sample

__all__ = ['ScoredSample', 'best_first']


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
