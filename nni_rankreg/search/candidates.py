"""What a search with a predictor may propose: draws that can be repeated, and the best of many."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..sampler.choice import ATTEMPTS, ChoiceSpace
from ..sampler.uniform import UniformSampler
from ..typing import Accept, Sample, Scorer, sample_key

__all__ = ['Candidates', 'UniformDraw']

_PARENTS = 0.05      # share of a generation that has offspring


class Candidates:
    """Architectures to propose: those given, all of a small space, or draws from a huge one.

    Parameters
    ----------
    space
        An NNI space, or the dict that its ``simplify()`` returns.
    given
        Architectures to choose from, instead of the whole space.
    accept
        Which architectures count; the others are neither drawn nor scored.
    pool
        A space of up to this size is scored as a whole; of a larger one, so many architectures
        are scored each time.
    seed
        Of all draws.

    Raises
    ------
    ValueError
        If `pool` is not positive; on drawing, if no architecture is accepted.

    Examples
    --------
    >>> from nni.mutable import Categorical
    >>> candidates = Candidates({'width': Categorical([8, 16, 32], label='width')})
    >>> wide = lambda samples: torch.tensor([float(sample['width']) for sample in samples])
    >>> candidates.best(wide, 2, exclude=[{'width': 32}])
    [{'width': 16}, {'width': 8}]
    """

    def __init__(self, space: Any, *, given: Sequence[Sample] | None = None,
                 accept: Accept | None = None, pool: int = 100_000,
                 seed: int = 0):
        if pool < 1:
            raise ValueError(f'Expected a pool of at least 1 architecture, got {pool}.')
        self.pool = pool
        self._accept, self._random = accept, np.random.default_rng(seed)
        self._sampler = None if given is not None else UniformSampler(space, seed)
        known = (ChoiceSpace(space, accept).every(pool) if given is None
                 else filter(self._accepts, given))
        self._known = None if known is None else {sample_key(one): one for one in known}

    def random(self, count: int, exclude: Collection[Sample] = ()) -> list[Sample]:
        """Return `count` different architectures, or fewer if there are no more.

        Parameters
        ----------
        count
            Number of architectures.
        exclude
            Architectures to leave out.
        """
        seen = set(map(sample_key, exclude))
        if self._known is None:
            assert self._sampler is not None
            return self._distinct(self._sampler.sample, count, seen)
        rest = [sample for key, sample in self._known.items() if key not in seen]
        return [rest[row] for row in self._random.permutation(len(rest))[:count]]

    def best(self, scorer: Scorer, count: int, exclude: Collection[Sample] = (), *,
             generations: int = 1) -> list[Sample]:
        """Return the `count` architectures with the highest scores, best first.

        Parameters
        ----------
        scorer
            Scores architectures, higher is better.
        count
            Number of architectures; fewer are returned if there are no more.
        exclude
            Architectures to leave out.
        generations
            Of an evolution over a huge space, which score `pool` architectures in all; each after
            the first has children of the best so far, with one choice changed. 1 scores random
            ones only.
        """
        seen = set(map(sample_key, exclude))
        if self._known is not None:
            found = [sample for key, sample in self._known.items() if key not in seen]
            scores = scorer(found)
        else:
            found, scores = self._evolve(scorer, seen, max(1, self.pool // generations),
                                         generations)
        return [found[row] for row in _order(scores)[:count]]

    def _evolve(self, scorer: Scorer, seen: set[str], size: int, generations: int
                ) -> tuple[list[Sample], Tensor]:
        sampler = self._sampler
        assert sampler is not None
        found = self._distinct(sampler.sample, size, seen)
        scores = scorer(found)
        for _ in range(1, generations):
            parents = [found[row] for row in _order(scores)[:max(1, round(_PARENTS * size))]]
            children = self._distinct(
                lambda: sampler.mutate(parents[self._random.integers(len(parents))]), size, seen)
            found, scores = found + children, torch.cat([scores, scorer(children)])
        return found, scores

    def _distinct(self, propose: Callable[[], Sample], count: int, seen: set[str]
                  ) -> list[Sample]:
        """Return accepted proposals that are not in `seen`, and add them to it."""
        drawn: list[Sample] = []
        misses = refused = 0
        while len(drawn) < count and misses < ATTEMPTS:
            sample = propose()
            key = sample_key(sample)
            new = key not in seen and self._accepts(sample)
            misses = 0 if new else misses + 1
            refused += key not in seen and not new
            if new:
                seen.add(key)
                drawn.append(sample)
        if refused >= ATTEMPTS and not drawn:
            raise ValueError(f'Expected an architecture that {self._accept} accepts, got none in '
                             f'{ATTEMPTS} draws: loosen it.')
        return drawn

    def _accepts(self, sample: Sample) -> bool:
        return self._accept is None or self._accept(sample)


@dataclass(frozen=True)
class UniformDraw:
    """Random architectures that are drawn alike wherever they are needed, in a trial for example.

    Parameters
    ----------
    count
        Number of different architectures; a small space has fewer.
    seed
        Of the draw.
    accept
        Which architectures count; None accepts all.

    Examples
    --------
    >>> from nni.mutable import Categorical
    >>> space = {'width': Categorical([8, 16, 32], label='width')}
    >>> draw = UniformDraw(2, seed=1)
    >>> len(draw.samples(space)), draw.samples(space) == draw.samples(space)
    (2, True)
    """

    count: int
    seed: int = 0
    accept: Accept | None = None

    def samples(self, space: Any) -> list[Sample]:
        """Return the architectures: an NNI space and its simplified form give the same."""
        return Candidates(space, accept=self.accept, pool=self.count, seed=self.seed
                          ).random(self.count)


def _order(scores: Tensor) -> list[int]:
    return scores.argsort(descending=True, stable=True).tolist()
