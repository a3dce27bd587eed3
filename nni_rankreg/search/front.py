"""The front of score and costs over a super-net, or any scorer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice

import nni
import numpy as np
from tqdm.auto import tqdm

from .._util.error import brief
from ..constraint import Cost, as_costs
from ..metric import crowding, pareto_rank
from ..sampler import UniformSampler
from ..sampler.rejection import ATTEMPTS, accepted, once
from ..typing import Constraints, Sample, Scorer, Space
from .evolution import whole_space
from .scored import ScoredSample, best_first, score_samples

__all__ = ['ParetoFront']

_SCORE = 'score'


@nni.trace
class ParetoFront:
    """Evolution towards the architectures that no other beats in score and all costs.

    The survivors of each generation are chosen front by front. Of a front that has too many, its
    ends survive, and those that cover most of the hypervolume alone. Each child has one choice
    changed. Give a `ParetoFront` in place of `Evolution` to any one-shot strategy. A space with no
    more architectures than `evaluations` is scored as a whole instead.

    Source: Deb et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE
    Transactions on Evolutionary Computation, 2002; the crowding is that of Beume, Naujoks and
    Emmerich, "SMS-EMOA", European Journal of Operational Research, 2007.

    Parameters
    ----------
    objectives
        ``'score'``, which is better the higher it is, and costs, which are better the lower they
        are, such as a latency; see `as_cost`.
    population
        Number of survivors.
    evaluations
        Number of different architectures drawn or bred in all.
    batch
        Number of children of a generation, which are scored at once; None is as many as survive.
    seed
        Of the first population, the parents and the mutations.
    progress
        Whether to show a progress bar.

    Raises
    ------
    ValueError
        If objectives lack the score or a cost, a name is unknown or taken, or sizes do not fit.
    TypeError
        If an objective is no cost.

    Examples
    --------
    >>> import torch
    >>> from nni.mutable import Categorical
    >>> space = {f'x{i}': Categorical([0, 1, 2], label=f'x{i}') for i in range(6)}
    >>> def ones(samples):
    ...     return torch.tensor([list(one.values()).count(1) for one in samples])
    >>> def twos(samples):
    ...     return torch.tensor([list(one.values()).count(2) + 1. for one in samples])
    >>> found = ParetoFront(['score', ones], 20, 400, progress=False).search(twos, space)
    >>> [one.objectives for one in found]
    [{'score': 7.0, 'ones': 0.0}]
    """

    def __init__(self, objectives: Sequence[str | Cost], population: int = 50,
                 evaluations: int = 1000, *, batch: int | None = None, seed: int = 0,
                 progress: bool = True):
        unknown = [one for one in objectives if isinstance(one, str) and one != _SCORE]
        if unknown:
            raise ValueError(f"Expected 'score' and costs as objectives, got {brief(unknown[0])}.")
        costs = [one for one in objectives if not isinstance(one, str)]
        if len(objectives) != len(costs) + 1 or not costs:
            raise ValueError("Expected 'score' once and at least one cost as objectives, got "
                             f'{brief(list(objectives))}.')
        batch = population if batch is None else batch
        if not 1 <= population <= evaluations or batch < 1:
            raise ValueError('Expected 1 <= population <= evaluations and a batch of at least 1, '
                             f'got {population}, {evaluations} and {batch}.')
        self.objectives, self.costs = list(objectives), as_costs(costs)
        self.population, self.evaluations, self.batch = population, evaluations, batch
        self.seed, self.progress = seed, progress

    def search(self, scorer: Scorer, space: Space, *,
               accept: Constraints = None) -> list[ScoredSample]:
        """Return the front of all that the search has met, the best score first.

        Those with a score of NaN or minus infinity are left out.

        Parameters
        ----------
        scorer
            Scores architectures, higher is better.
        space
            Model space, or label -> mutable.
        accept
            Which architectures count; others are neither bred nor scored. None accepts all.

        Raises
        ------
        ValueError
            If none of 10,000 random architectures is accepted, a cost is NaN, infinite or
            negative, or a score is plus infinity.
        """
        every = whole_space(space, accept, self.evaluations)
        met = (self._scored(every, scorer) if every
               else self._evolve(scorer, UniformSampler(space, self.seed, accept=accept)))
        ranks = pareto_rank(_points(met))
        return best_first(one for one, rank in zip(met, ranks) if rank == 0)

    def _evolve(self, scorer: Scorer, sampler: UniformSampler) -> list[ScoredSample]:
        """Return all architectures with a score that the evolution has met."""
        generator, new = np.random.default_rng(self.seed), once()
        alive: list[ScoredSample] = []

        def child() -> Sample:
            # The survivors are in order: of two, the first is the better one.
            return sampler.mutate(dict(alive[min(generator.integers(len(alive), size=2))]))

        batch = list(islice(accepted(sampler.sample, new, ATTEMPTS // 10), self.population))
        met, left = list[ScoredSample](), self.evaluations
        with tqdm(total=left, desc='Front', disable=not self.progress) as bar:
            while batch:
                met += self._scored(batch, scorer)
                bar.update(len(batch))
                left -= len(batch)
                alive = _survivors(met, self.population)
                batch = list(islice(accepted(child, new, ATTEMPTS // 10),
                                    min(self.batch, left) if alive else 0))
        return met

    def _scored(self, samples: Sequence[Sample], scorer: Scorer) -> list[ScoredSample]:
        """Return the architectures that have a score, with their costs."""
        kept = [one for one in score_samples(samples, scorer) if one.score > -math.inf]
        for one in kept:
            if one.score == math.inf:
                raise ValueError(f'Expected {_SCORE} as a finite number, got inf of {brief(one)}.')
        columns = {cost.name: cost(kept).tolist() for cost in self.costs}
        return [ScoredSample(one, one.score, {name: values[row] for name, values in
                                              columns.items()}) for row, one in enumerate(kept)]


def _points(scored: Sequence[ScoredSample]) -> list[list[float]]:
    return [[-one.score, *one.costs.values()] for one in scored]


def _survivors(scored: Sequence[ScoredSample], count: int) -> list[ScoredSample]:
    """Return the best architectures in order: by their front, then by what they cover alone."""
    points = np.array(_points(scored))
    ranks, alone = pareto_rank(points), np.zeros(len(points))
    for rank in range(int(ranks.max(initial=-1)) + 1):
        rows = np.flatnonzero(ranks == rank)
        alone[rows] = crowding(points[rows])
    return [scored[row] for row in np.lexsort([-alone, ranks])[:count]]
