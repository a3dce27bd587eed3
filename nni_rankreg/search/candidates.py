"""What a search with a predictor may propose: random architectures, and the best of many."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from copy import deepcopy
from itertools import islice

import numpy as np

from ..sampler import UniformSampler
from ..sampler.choice import ChoiceSpace
from ..sampler.rejection import ATTEMPTS, accepted, first_accepted, once
from ..space import CanonicalForm
from ..typing import Accept, Results, Sample, Scorer, Space, sample_key
from .generations import evolve

__all__ = ['Candidates']


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
    form
        Text of an architecture, as of `canonical_form`: of those with one text, functional twins,
        the first is a candidate, and none if one is excluded. None takes each for its own.

    Raises
    ------
    ValueError
        If `pool` is not positive; on drawing, if no architecture is accepted.

    Examples
    --------
    >>> import torch
    >>> from nni.mutable import Categorical
    >>> candidates = Candidates({'width': Categorical([8, 16, 32], label='width')})
    >>> wide = lambda samples: torch.tensor([float(sample['width']) for sample in samples])
    >>> candidates.best(wide, 2, exclude=[{'width': 32}])
    [{'width': 16}, {'width': 8}]
    """

    def __init__(self, space: Space, *, given: Sequence[Sample] | None = None,
                 accept: Accept | None = None, pool: int = 100_000, seed: int = 0,
                 form: CanonicalForm | None = None):
        if pool < 1:
            raise ValueError(f'Expected a pool of at least 1 architecture, got {pool}.')
        self.pool = pool
        self._accept, self._random = accept, np.random.default_rng(seed)
        self._form = form or sample_key
        self._sampler = UniformSampler(space, seed)
        listed = (ChoiceSpace(space, accept).every(pool) if given is None
                  else [one for one in given if accept is None or accept(one)])
        self._listed = None if listed is None else self._first_of_each(listed)

    def random(self, count: int, exclude: Collection[Sample] = ()) -> list[Sample]:
        """Return `count` different architectures, or fewer if there are no more.

        Parameters
        ----------
        count
            Number of architectures.
        exclude
            Architectures to leave out.
        """
        if self._listed is None:
            return self._draw(count, once(exclude, self._accept, self._form))
        rest = self._others(self._listed, exclude)
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
            Of an evolution over a huge space (see `evolve`), which score `pool` architectures in
            all; each after the first has children of the best so far, with one choice changed. 1
            scores random ones only.
        """
        if self._listed is None:
            size, new = max(1, self.pool // generations), once(exclude, self._accept, self._form)
            scored = evolve(self._draw(size, new), scorer, self._sampler.mutate, new, size=size,
                            generations=generations, random=self._random)
        else:
            rest = self._others(self._listed, exclude)
            scored = Results(rest, scorer(rest).tolist())
        return scored.best_first().samples[:count]

    def _draw(self, count: int, new: Accept) -> list[Sample]:
        """Return random architectures of a huge space; raise if the filter accepts none at all."""
        accept, drawn = self._accept, list(islice(accepted(self._sampler.sample, new), count))
        if accept is not None and count and not drawn:
            again = deepcopy(self._sampler)  # a copy, so that the next draws are what they were
            first_accepted(again.sample, accept, lambda: ValueError(
                f'Expected an architecture that {accept} accepts, got none in {ATTEMPTS} draws: '
                'loosen it.'))
        return drawn

    def _first_of_each(self, samples: Iterable[Sample]) -> dict[str, Sample]:
        found: dict[str, Sample] = {}
        for sample in samples:
            found.setdefault(self._form(sample), sample)
        return found

    def _others(self, listed: dict[str, Sample], exclude: Collection[Sample]) -> list[Sample]:
        excluded = set(map(self._form, exclude))
        return [sample for form, sample in listed.items() if form not in excluded]
