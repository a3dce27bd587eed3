"""Where the front of score and costs is expected to grow: what such a search trains next."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from ..constraint import Cost
from ..metric import Front, hypervolume_improvement, pareto_rank
from ..predictor import Prediction, Predictor
from ..search import Candidates
from ..typing import Results, Sample, Scorer

__all__ = ['SHORTLIST', 'FrontGrowth']

SHORTLIST = 100  # candidates, for each that is trained, among which a round is chosen one by one
_LEADERS = 20    # members of the front whose neighbours are candidates
_LARGEST = 10.   # spread, on average, in deviations of what is expected of random architectures


class FrontGrowth:
    """Chooses the architectures that are expected to enlarge the dominated hypervolume most.

    The improvement is that of `hypervolume_improvement`, in the unit of the predictor: what it
    expects of the architectures trained so far is the front, so that the luck of a single training
    counts little. The reference is the worst that it expects of random architectures, and their
    largest costs.

    Parameters
    ----------
    costs
        Of architectures, known and exact.
    reference
        Random architectures.
    """

    def __init__(self, costs: Sequence[Cost], reference: Sequence[Sample]):
        self._costs, self._reference = list(costs), list(reference)
        self._limit = self.costs(reference).amax(0)

    def costs(self, samples: Sequence[Sample]) -> Tensor:
        """Return the costs of N architectures, shape (N, C)."""
        return torch.stack([one(samples) for one in self._costs], 1)

    def rank_by(self, scorer: Scorer) -> Scorer:
        """Return a scorer of the first round: the front of a scorer and the costs comes first."""
        def ranked(samples: Sequence[Sample]) -> Tensor:
            return -torch.from_numpy(pareto_rank(self._points(scorer(samples), samples)))

        return ranked

    def members(self, results: Results) -> list[Sample]:
        """Return the front of results, the best metric first."""
        ranked = results.best_first()
        if not ranked.samples:
            return []
        ranks = pareto_rank(self._points(torch.tensor(ranked.metrics), ranked.samples))
        return [sample for sample, rank in zip(ranked.samples, ranks) if rank == 0]

    def best(self, candidates: Candidates, predictor: Predictor, results: Results, count: int,
             exclude: Collection[Sample], generations: int = 1) -> list[Sample]:
        """Return the new architectures with which the front is expected to grow most.

        They are chosen one by one; what is expected of one counts as known for the next, so that
        a round is spread over the front.

        Parameters
        ----------
        candidates
            To choose from.
        predictor
            It has learnt the results.
        results
            Of all architectures so far.
        count
            Number of new architectures.
        exclude
            Architectures to leave out.
        generations
            As of `Candidates.best`.
        """
        reference = predictor.predict(self._reference)
        unit, front = _unit(reference), self._front(predictor, results, float(reference.mean.min()))

        def improvement(samples: Sequence[Sample]) -> Tensor:
            mean, spread = predictor.predict(samples)
            return hypervolume_improvement(mean, unit * spread, self.costs(samples), front)

        leaders = self.members(results)
        step = -(-len(leaders) // _LEADERS) or 1
        shortlist = candidates.best(improvement, SHORTLIST * count, exclude,
                                    around=leaders[::step], generations=generations)
        return self._one_by_one(shortlist, predictor, unit, front, count)

    def _one_by_one(self, samples: Sequence[Sample], predictor: Predictor, unit: float,
                    front: Front, count: int) -> list[Sample]:
        if not samples:
            return []
        mean, spread = predictor.predict(samples)
        costs, chosen = self.costs(samples), list[int]()
        for _ in range(min(count, len(samples))):
            gain = hypervolume_improvement(mean, unit * spread, costs, front)
            gain[chosen] = -1.
            row = int(gain.argmax())
            chosen.append(row)
            front = front.with_one(mean[row], costs[row])
        return [samples[row] for row in chosen]

    def _front(self, predictor: Predictor, results: Results, worst: float) -> Front:
        costs = self.costs(results.samples)
        return Front(predictor.predict(results.samples).mean, costs, worst,
                     torch.maximum(self._limit, costs.amax(0)))

    def _points(self, scores: Tensor, samples: Sequence[Sample]) -> Tensor:
        return torch.column_stack([-scores.double(), self.costs(samples)])


def _unit(reference: Prediction) -> float:
    """Return what the spread is multiplied by: 1, or less if it is out of all proportion.

    A predictor that takes the results for noise expects about the same of all architectures. By a
    spread far beyond such differences the cheapest would promise most, whatever is known.
    """
    expected, unsure = float(reference.mean.std()), float(reference.spread.mean())
    return expected / unsure if unsure > _LARGEST * expected else 1.
