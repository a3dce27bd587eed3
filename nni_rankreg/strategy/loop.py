"""The loop of a search: what is known, what is trained next, and how far that can be trusted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..constraint import NamedCost
from ..predictor import Evidence, Predictor, Remembered, WeakLabels, normal_scores_among
from ..search import Candidates
from ..typing import Results, Sample, sample_key
from .acenas_recipe import Rounds
from .growth import SHORTLIST, FrontGrowth
from .ledger import Ledger

__all__ = ['Chosen', 'ClosedLoop']

_REFERENCE = 1000  # random candidates among which predictions are normal scores
_LEARNT = 500      # results that the predictor is fitted to, if the search has no more of its own
_LEADERS = 10      # results whose neighbours are candidates


class Chosen(NamedTuple):
    """The architectures of a round."""

    best: list[Sample]
    """Those of which most is expected."""
    random: list[Sample]
    """Those drawn at random from all others."""


class ClosedLoop:
    """One search: it proposes architectures, says what it predicts of them, and learns.

    Parameters
    ----------
    candidates
        What may be trained: none of the known architectures.
    predictor
        Learns from the results.
    evidence
        What is known before any training, None for nothing.
    rounds
        How the rounds choose.
    known
        Results from elsewhere, higher is better.
    costs
        With them, the next are those with which the front of metric and costs is expected to
        grow, see `FrontGrowth`; without, those of which most is expected.

    Attributes
    ----------
    ledger
        The results, and the architectures that have failed.
    """

    def __init__(self, candidates: Candidates, predictor: Predictor, evidence: Evidence | None,
                 rounds: Rounds, known: Results, costs: Sequence[NamedCost] = ()):
        self.ledger = Ledger(known)
        self._candidates, self._predictor, self._evidence = candidates, predictor, evidence
        self._rounds = rounds
        self._supernet: dict[str, float] = {}
        self._reference: list[Sample] = []
        remembered = [Remembered(one) if candidates.listed else one for one in costs]
        self._growth = FrontGrowth(remembered, self._sample()) if costs else None
        self._fitted = 0
        self._guided = self._drawn = 0   # trainings, and random ones of these

    def use(self, weak: WeakLabels) -> None:
        """Let the predictor learn weak labels, and compare the super-net's with the results."""
        pretrain = getattr(self._predictor, 'pretrain', None)
        if pretrain is not None:
            pretrain(weak.samples, weak.labels)
        if 'supernet' in weak.labels:
            scores = torch.tensor(weak.labels['supernet'])
            ranked = normal_scores_among(scores, scores).tolist()
            self._supernet = dict(zip(map(sample_key, weak.samples), ranked))

    def first(self, count: int) -> Chosen:
        """Return new architectures, random ones of the best by the evidence, and of all."""
        if self._evidence is None:
            return self._filled([], count)
        vote = self._evidence if self._growth is None else self._growth.rank_by(self._evidence)
        best = self._candidates.random_of_best(
            vote, count - self._random_of(count), self._rounds.share, self.ledger.own)
        return self._filled(best, count)

    def next(self, count: int) -> Chosen:
        """Return new architectures: those of which most is expected, and random ones.

        Each of the former is chosen by another multiple of the spread, see `Rounds.multiples`.
        """
        if not self.learn():
            return self.first(count)
        multiples = self._rounds.multiples(count - self._random_of(count))
        return self._filled(self._best(multiples), count)

    def last(self, count: int, generations: int) -> Chosen:
        """Return the new architectures whose predicted mean is best; with costs, as `next`."""
        if not count or not self.learn():
            return Chosen([], [])
        return Chosen(self._best([0.] * count, generations), [])

    def forecast(self, samples: Sequence[Sample]) -> dict[str, list[float]]:
        """Return what each source predicts of N architectures: normal scores among candidates.

        Sources are the predictor, once it has learnt, the super-net, whose scores are known of the
        architectures with weak labels (NaN of others), each piece of evidence, and their vote.
        """
        found: dict[str, list[float]] = {}
        if self._fitted:
            among = self._mean(self._sample())
            found['predictor'] = normal_scores_among(self._mean(samples), among).tolist()
        if self._supernet:
            found['supernet'] = [self._supernet.get(sample_key(one), math.nan) for one in samples]
        if self._evidence is not None:
            found.update(self._evidence.by_source(samples))
        return found

    def learn(self) -> bool:
        """Fit the predictor to all results; return whether there are enough."""
        results = self.ledger.results
        if len(results.samples) < 2:
            return False
        if self._fitted < len(results.samples):
            learnt = self.ledger.to_learn(_LEARNT)
            self._predictor.fit(learnt.samples, learnt.metrics)
            self._fitted = len(results.samples)
        return True

    def _random_of(self, count: int) -> int:
        """Return how many of the next trainings are of random architectures, with those before."""
        self._guided += count
        number = round(self._rounds.explore * self._guided) - self._drawn
        self._drawn += number
        return number

    def _filled(self, best: list[Sample], count: int) -> Chosen:
        return Chosen(best, self._candidates.random(count - len(best),
                                                    exclude=[*self.ledger.own, *best]))

    def _best(self, multiples: Sequence[float], generations: int = 1) -> list[Sample]:
        """Return new architectures: the best by mean and spread, or those that let the front grow.

        Parameters
        ----------
        multiples
            For each architecture the multiple of the spread that is added to the mean.
        generations
            As of `Candidates.best`.
        """
        count, results = len(multiples), self.ledger.results
        if not count:
            return []
        if self._growth is not None:
            return self._growth.best(self._candidates, self._predictor, results, count,
                                     self.ledger.own, generations)

        def expected(samples: Sequence[Sample]) -> Tensor:
            mean, spread = self._predictor.predict(samples)
            return mean + sum(multiples) / count * spread

        shortlist = self._candidates.best(
            expected, SHORTLIST * count, self.ledger.own, generations=generations,
            around=results.best_first().samples[:_LEADERS])
        return self._one_by_one(shortlist, multiples)

    def _one_by_one(self, samples: Sequence[Sample], multiples: Sequence[float]) -> list[Sample]:
        if not samples:
            return []
        mean, spread = self._predictor.predict(samples)
        chosen = list[int]()
        for multiple in multiples[:len(samples)]:
            score = mean + multiple * spread
            score[chosen] = -math.inf
            chosen.append(int(score.argmax()))
        return [samples[row] for row in chosen]

    def _mean(self, samples: Sequence[Sample]) -> Tensor:
        return self._predictor.predict(samples).mean

    def _sample(self) -> list[Sample]:
        if not self._reference:
            self._reference = self._candidates.sample(_REFERENCE)
        return self._reference
