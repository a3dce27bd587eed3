"""What a search of several stages knows about architectures."""

from __future__ import annotations

from collections.abc import Sequence

from ..plan import Failure
from ..typing import Results, Sample

__all__ = ['Ledger']


class Ledger:
    """The results of a search, known ones included, and the architectures that have failed.

    Parameters
    ----------
    known
        Results from elsewhere, higher is better: they have cost no training.

    Attributes
    ----------
    results
        All results.
    failed
        The architectures that have failed.
    failing
        How many trainings have failed since the last one that has not.

    Examples
    --------
    >>> ledger = Ledger(Results([{'op': 'pool'}], [0.5], 'max'))
    >>> ledger.enter([{'op': 'conv'}, {'op': 'none'}], [0.9, Failure('out of memory')])
    >>> ledger.results.metrics, ledger.failed, ledger.trainings
    ([0.5, 0.9], [{'op': 'none'}], 2)
    """

    def __init__(self, known: Results):
        self._known = len(known.samples)
        self.results = Results(list(known.samples), list(known.metrics), 'max')
        self.failed: list[Sample] = []
        self.failing = 0

    @property
    def tried(self) -> list[Sample]:
        """All architectures that are not new: with a result, or failed."""
        return [*self.results.samples, *self.failed]

    @property
    def own(self) -> list[Sample]:
        """The architectures that the search has trained, those that failed included."""
        return [*self.results.samples[self._known:], *self.failed]

    @property
    def trainings(self) -> int:
        """The number of trainings that the search has made, those that failed included."""
        return len(self.own)

    def enter(self, samples: Sequence[Sample], outcomes: Sequence[float | Failure]) -> None:
        """Add what trainings have come to.

        Parameters
        ----------
        samples
            N architectures.
        outcomes
            The metric of each, higher is better, or its failure.
        """
        for sample, outcome in zip(samples, outcomes):
            if isinstance(outcome, Failure):
                self.failed.append(sample)
                self.failing += 1
            else:
                self.failing = 0
                self.results.samples.append(sample)
                self.results.metrics.append(outcome)

    def to_learn(self, count: int) -> Results:
        """Return what a predictor is fitted to: all results of the search, and some known ones.

        Parameters
        ----------
        count
            Number of results, if there are as many: of the known ones half are the best, and half
            are random, the same each time.
        """
        known = self.results.take(range(self._known))
        own = self.results.take(range(self._known, len(self.results.samples)))
        left = max(0, count - len(own.samples))
        if left >= self._known:
            return self.results
        ranked = known.best_first()
        best = left - left // 2
        others = ranked.take(range(best, self._known)).some(left // 2)
        chosen = [ranked.take(range(best)), others, own]
        return Results([sample for one in chosen for sample in one.samples],
                       [metric for one in chosen for metric in one.metrics], 'max')

    def so_far(self) -> Results:
        """Return the results of this moment, for a job: later ones do not change them."""
        return Results(list(self.results.samples), list(self.results.metrics), 'max')
