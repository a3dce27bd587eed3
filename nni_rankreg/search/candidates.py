"""What a search with a predictor may propose: random architectures, and the best of many."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from copy import deepcopy
from functools import cached_property
from itertools import islice

import numpy as np

from ..constraint import all_of
from ..sampler import UniformSampler
from ..sampler.choice import ChoiceSpace
from ..sampler.rejection import ATTEMPTS, accepted, first_accepted, once
from ..space import CanonicalForm
from ..typing import Accept, Constraints, Results, Sample, Scorer, Space, sample_key, sample_keys
from .generations import evolve

__all__ = ['Candidates']

_NEIGHBOURS = 200  # of the best, at most, each time
_FORMS = 1000      # known architectures of which no twin is a candidate in a huge space


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
        A space of up to this size is scored as a whole; of a larger space this many architectures
        are scored each time.
    fixed
        Whether the architectures of a larger space are drawn once, for scorers that take long.
        Then only neighbours of the best are added later.
    seed
        Of all draws.
    form
        Text of an architecture, as of `canonical_form`. Architectures with the same text are
        functional twins: only the first is a candidate, and none if one of them is excluded. None
        knows no twins.
    known
        Architectures that are never proposed, the best first. Neither are their twins; in a huge
        space only twins of the first thousand are left out, as texts take time to write.

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
                 accept: Constraints = None, pool: int = 100_000, fixed: bool = False,
                 seed: int = 0, form: CanonicalForm | None = None,
                 known: Sequence[Sample] = ()):
        if pool < 1:
            raise ValueError(f'Expected a pool of at least 1 architecture, got {pool}.')
        self.pool, self.seed = pool, seed
        self._accept, self._random = all_of(accept), np.random.default_rng(seed)
        self._form = form or sample_key
        self._space = space
        listed = (ChoiceSpace(space, accept).every(pool) if given is None
                  else [one for one in given if self._accept is None or self._accept(one)])
        self._known = set(sample_keys(known))
        self._excluded = set(map(self._form, known[:_FORMS]))
        if listed is not None:
            self._excluded |= {self._form(one) for one in listed if sample_key(one) in self._known}
        self._grows = fixed and listed is None
        if self._grows:
            listed = self._draw(pool, self._new())
        self._listed = None if listed is None else self._first_of_each(listed)
        self._before = len(self._listed or ())   # neighbours of the best follow, as they are added

    @property
    def listed(self) -> bool:
        """Whether the candidates are the same ones each time, but for neighbours of the best."""
        return self._listed is not None

    @cached_property
    def _sampler(self) -> UniformSampler:
        """What draws; given architectures may be of no space, such as the rows of a table."""
        return UniformSampler(self._space, self.seed)

    def sample(self, count: int) -> list[Sample]:
        """Return up to `count` random architectures, the same ones each time."""
        if self._listed is None:
            again = UniformSampler(self._space, self.seed)
            new = once(accept=self._accept, key=self._form)
            return list(islice(accepted(again.sample, new), count))
        every = list(self._without_neighbours(self._listed).values())
        rows = np.random.default_rng(self.seed).permutation(len(every))[:count]
        return [every[row] for row in rows]

    def random(self, count: int, exclude: Collection[Sample] = ()) -> list[Sample]:
        """Return `count` different architectures, or fewer if there are no more.

        Neighbours of the best, which `best` adds to the candidates, are not among them.

        Parameters
        ----------
        count
            Number of architectures.
        exclude
            Architectures to leave out.
        """
        if self._listed is None:
            return self._draw(count, self._new(exclude))
        rest = self._others(self._without_neighbours(self._listed), exclude)
        return [rest[row] for row in self._random.permutation(len(rest))[:count]]

    def random_of_best(self, scorer: Scorer, count: int, share: float,
                       exclude: Collection[Sample] = ()) -> list[Sample]:
        """Return `count` random architectures of the share with the highest scores.

        Parameters
        ----------
        scorer
            Scores architectures, higher is better.
        count
            Number of architectures; a share with fewer architectures is enlarged to this number.
        share
            Of the architectures that are not excluded, above 0, up to 1.
        exclude
            Architectures to leave out.
        """
        size = self.pool if self._listed is None else len(self._others(self._listed, exclude))
        best = self.best(scorer, max(count, round(share * size)), exclude)
        return [best[row] for row in self._random.permutation(len(best))[:count]]

    def best(self, scorer: Scorer, count: int, exclude: Collection[Sample] = (), *,
             around: Sequence[Sample] = (), generations: int = 1) -> list[Sample]:
        """Return the `count` architectures with the highest scores, best first.

        Parameters
        ----------
        scorer
            Scores architectures, higher is better.
        count
            Number of architectures; fewer are returned if there are no more.
        exclude
            Architectures to leave out.
        around
            Architectures whose neighbours, with one choice changed, are candidates, too, where a
            space is too large to be listed.
        generations
            Number of generations of an evolution over a huge space, see `evolve`. Together these
            score `pool` architectures. Each generation after the first has children of the best so
            far, with one choice changed. With 1 only random architectures are scored.
        """
        if self._grows:
            assert self._listed is not None
            new = self._new(self._listed.values())
            self._listed.update(self._first_of_each(self._neighbours(around, new)))
        if self._listed is None:
            size, new = max(1, self.pool // generations), self._new(exclude)
            near = self._neighbours(around, new)[:size // 2]
            scored = evolve([*near, *self._draw(size - len(near), new)], scorer,
                            self._sampler.mutate, new, size=size, generations=generations,
                            random=self._random)
        else:
            rest = self._others(self._listed, exclude)
            scored = Results(rest, scorer(rest).tolist())
        return scored.best_first().samples[:count]

    def _new(self, exclude: Iterable[Sample] = ()) -> Accept:
        """Return a filter that accepts each function once, and none of those excluded."""
        return once(exclude, self._counts if self._known else self._accept, self._form,
                    self._excluded)

    def _counts(self, sample: Sample) -> bool:
        return (sample_key(sample) not in self._known
                and (self._accept is None or self._accept(sample)))

    def _neighbours(self, around: Sequence[Sample], new: Accept) -> list[Sample]:
        """Return new architectures that differ from one of `around` in one choice."""
        if not around:
            return []
        rows = self._random.integers(len(around), size=_NEIGHBOURS).tolist()
        return list(filter(new, (self._sampler.mutate(around[row]) for row in rows)))

    def _draw(self, count: int, new: Accept) -> list[Sample]:
        """Return random architectures of a huge space; raise if the filter accepts none at all."""
        accept, drawn = self._accept, list(islice(accepted(self._sampler.sample, new), count))
        if accept is not None and count and not drawn:
            again = deepcopy(self._sampler)  # a copy, so that the next draws are what they were
            first_accepted(again.sample, accept, lambda: ValueError(
                f'Expected an architecture that {accept} accepts, got none in {ATTEMPTS} draws: '
                'loosen the constraint.'))
        return drawn

    def _without_neighbours(self, listed: dict[str, Sample]) -> dict[str, Sample]:
        return dict(islice(listed.items(), self._before))

    def _first_of_each(self, samples: Iterable[Sample]) -> dict[str, Sample]:
        found: dict[str, Sample] = {}
        for sample in samples:
            found.setdefault(self._form(sample), sample)
        return found

    def _others(self, listed: dict[str, Sample], exclude: Collection[Sample]) -> list[Sample]:
        excluded = self._excluded.union(map(self._form, exclude))
        return [sample for form, sample in listed.items() if form not in excluded]
