"""Ageing evolution, one child at a time: the search of single-path one-shot.

`generations.evolve` breeds many at once, of the best of all that has been found.
"""

from __future__ import annotations

import math
import random
from collections import deque

import nni
from tqdm.auto import tqdm

from ..sampler import UniformSampler
from ..typing import Accept, Scorer, Space, sample_key
from .scored import ScoredSample, best_first

__all__ = ['Evolution']


@nni.trace
class Evolution:
    """Regularised evolution: the oldest dies, one mutation per child, no crossover.

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
    >>> space = {f'x{i}': Categorical([0, 1, 2], label=f'x{i}') for i in range(5)}
    >>> scorer = lambda samples: torch.tensor([float(sum(s.values())) for s in samples])
    >>> best, *rest = Evolution(20, 300, 5, progress=False).search(scorer, space)
    >>> best.score
    10.0
    """

    def __init__(self, population: int = 50, evaluations: int = 1000, tournament: int = 10, *,
                 seed: int = 0, progress: bool = True):
        if not 1 <= tournament <= population <= evaluations:
            raise ValueError('Expected 1 <= tournament <= population <= evaluations, got '
                             f'{tournament}, {population} and {evaluations}.')
        self.population, self.evaluations, self.tournament = population, evaluations, tournament
        self.seed, self.progress = seed, progress

    def search(self, scorer: Scorer, space: Space, *,
               accept: Accept | None = None) -> list[ScoredSample]:
        """Return all different architectures that the search has met, best first.

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
        sampler = UniformSampler(space, seed=self.seed, accept=accept)
        generator = random.Random(self.seed)
        scored: dict[str, ScoredSample] = {}
        alive: deque[ScoredSample] = deque(maxlen=self.population)
        for index in tqdm(range(self.evaluations), 'Evolution', disable=not self.progress):
            if index < self.population:
                sample = sampler.sample()
            else:
                candidates: list[ScoredSample] = generator.sample(alive, self.tournament)
                parent = max(candidates, key=lambda one: one.score)
                sample = sampler.mutate(dict(parent))
            key = sample_key(sample)
            if key not in scored:
                scored[key] = ScoredSample(sample, float(scorer([sample])[0]))
            alive.append(scored[key])
        return [one for one in best_first(scored.values()) if one.score > -math.inf]
