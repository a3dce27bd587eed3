"""What is said of architectures by a super-net, by evidence, and by all of it on average."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..predictor import Ensemble, Evidence, normal_scores_among
from ..typing import Accept, Results, Sample

__all__ = ['Judgement', 'among_first']


class Judgement:
    """What a super-net, a predictor and evidence say of architectures, each alone and on average.

    Parameters
    ----------
    space
        An NNI space, or label -> mutable.
    evidence
        What is known before any training.
    seed
        Of the predictor, an `Ensemble` on structure, evidence and results.
    """

    def __init__(self, space: Any, evidence: Evidence, seed: int = 0):
        self.evidence = evidence
        self._predictor = Ensemble(space, evidence=evidence, seed=seed, progress=False)

    def promising(self, share: float, among: Sequence[Sample]) -> Accept:
        """Return what accepts architectures whose vote is as good as that of a share of others."""
        least = self.evidence(among).quantile(1 - share)
        return lambda sample: bool(self.evidence([sample]) >= least)

    def of(self, samples: Sequence[Sample], supernet: Sequence[float], random: int,
           results: Results) -> dict[str, list[float]]:
        """Return source -> normal scores of N architectures among the random ones of them.

        Sources are the super-net, each piece of evidence, their vote, the predictor, and
        ``average``, of super-net and predictor. With fewer than two results there is no predictor,
        and the vote takes its place.

        Parameters
        ----------
        samples
            N architectures, the random ones first.
        supernet
            What a super-net says of them, normal scores among the random ones.
        random
            Number of random ones.
        results
            Of trainings, higher is better, from which the predictor learns.
        """
        said = {'supernet': list(supernet), **self.evidence.by_source(samples)}
        if len(results.samples) > 1:
            fitted = self._predictor.fit(results.samples, results.metrics)
            said['predictor'] = among_first(fitted.score(samples).tolist(), random)
        other = said.get('predictor', said['vote'])
        return {**said, 'average': np.mean([said['supernet'], other], axis=0).tolist()}


def among_first(values: Sequence[float], count: int) -> list[float]:
    """Return the normal scores of values among the first of them; no number is the worst."""
    finite = np.nan_to_num(np.asarray(values, dtype=np.float64), nan=-np.inf)
    return normal_scores_among(finite, finite[:count]).tolist()
