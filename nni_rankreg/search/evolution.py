"""Ageing evolution, in batches: the search of single-path one-shot.

`generations.evolve` breeds of the best of all that has been found, however old.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Sequence

import nni
from tqdm.auto import tqdm

from ..sampler import UniformSampler
from ..sampler.choice import ChoiceSpace
from ..typing import Constraints, Sample, Scorer, Space, sample_key
from .scored import ScoredSample, best_first, score_samples

__all__ = ['Evolution', 'whole_space']

_LISTED = 32  # architectures that a filter is asked about, for each evaluation, to list a space


@nni.trace
class Evolution:
    """Regularised evolution: the oldest die, one mutation per child, no crossover.

    Children are bred and scored in batches, as scorers are quickest with many architectures at
    once; ``batch=1`` is one child at a time, as published. A space with no more architectures than
    `evaluations` is scored as a whole instead.

    Source: Real et al., "Regularized Evolution for Image Classifier Architecture Search", AAAI
    2019, with the sizes of Yu et al., CVPR 2021 (population 50, 1,000 evaluations, tournament 10).

    Parameters
    ----------
    population
        Number of living architectures.
    evaluations
        Number of architectures drawn or bred in all; a repeated one is not scored again.
    tournament
        Number of random candidates whose best becomes the parent.
    batch
        Number of children that are bred and scored at once; their parents are the youngest of the
        population with a score. None is half of the population, or less if tournaments need more.
    seed
        Of the first population, the tournaments and the mutations.
    progress
        Whether to show a progress bar.

    Raises
    ------
    ValueError
        If the sizes do not fit each other.

    Examples
    --------
    >>> import torch
    >>> from nni.mutable import Categorical
    >>> space = {f'x{i}': Categorical([0, 1, 2], label=f'x{i}') for i in range(6)}
    >>> scorer = lambda samples: torch.tensor([float(sum(s.values())) for s in samples])
    >>> best, *rest = Evolution(20, 300, 5, progress=False).search(scorer, space)
    >>> best.score
    12.0
    """

    def __init__(self, population: int = 50, evaluations: int = 1000, tournament: int = 10, *,
                 batch: int | None = None, seed: int = 0, progress: bool = True):
        if not 1 <= tournament <= population <= evaluations:
            raise ValueError('Expected 1 <= tournament <= population <= evaluations, got '
                             f'{tournament}, {population} and {evaluations}.')
        largest = population - tournament + 1
        batch = max(1, min(population // 2, largest)) if batch is None else batch
        if not 1 <= batch <= largest:
            raise ValueError(f'Expected a batch from 1 to {largest}, which leaves a tournament of '
                             f'{tournament} of a population of {population}, got {batch}.')
        self.population, self.evaluations, self.tournament = population, evaluations, tournament
        self.batch, self.seed, self.progress = batch, seed, progress

    def search(self, scorer: Scorer, space: Space, *,
               accept: Constraints = None) -> list[ScoredSample]:
        """Return all different architectures that the search has met, best first.

        Those with a score of NaN or minus infinity are left out.

        Parameters
        ----------
        scorer
            Scores architectures, higher is better.
        space
            Model space, or label -> mutable.
        accept
            Which architectures count, for example a `LatencyConstraint`; others are neither bred
            nor scored. None accepts all.

        Raises
        ------
        ValueError
            If none of 10,000 random architectures is accepted.
        """
        every = whole_space(space, accept, self.evaluations)
        met = (score_samples(every, scorer) if every
               else self._evolve(scorer, UniformSampler(space, seed=self.seed, accept=accept)))
        return [one for one in best_first(met) if one.score > -math.inf]

    def _evolve(self, scorer: Scorer, sampler: UniformSampler) -> list[ScoredSample]:
        """Return all different architectures of an evolution, in the order in which it met them."""
        generator = random.Random(self.seed)
        scored: dict[str, ScoredSample] = {}
        # No parent is older than it could be one child at a time, seen from the last child of a
        # batch: with parents of the whole population a search would need more children.
        alive: deque[ScoredSample] = deque(maxlen=self.population - self.batch + 1)

        def child() -> Sample:
            candidates: list[ScoredSample] = generator.sample(alive, self.tournament)
            parent = max(candidates, key=lambda one: one.score)
            return sampler.mutate(dict(parent))

        batch = [sampler.sample() for _ in range(self.population)]
        left = self.evaluations
        with tqdm(total=left, desc='Evolution', disable=not self.progress) as bar:
            while batch:
                alive.extend(_scored_once(batch, scorer, scored))
                bar.update(len(batch))
                left -= len(batch)
                batch = [child() for _ in range(min(self.batch, left))]
        return list(scored.values())


def whole_space(space: Space, accept: Constraints, evaluations: int) -> list[Sample] | None:
    """Return all architectures of a space that has no more than are to be scored, else None."""
    return ChoiceSpace(space, accept).every(_LISTED * evaluations, evaluations)


def _scored_once(batch: Sequence[Sample], scorer: Scorer,
                 scored: dict[str, ScoredSample]) -> list[ScoredSample]:
    """Return a batch with its scores; what is not in `scored` is scored, and added to it."""
    keys = list(map(sample_key, batch))
    new = {key: sample for key, sample in zip(keys, batch) if key not in scored}
    if new:
        scored.update(zip(new, score_samples(list(new.values()), scorer)))
    return [scored[key] for key in keys]
