"""Evolution in generations, of which each is bred and scored as a whole.

`Evolution` breeds one child at a time among the youngest, for scorers that take long. Here all that
has been found may be a parent, for scorers that are quickest with many architectures at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice

import numpy as np

from ..sampler.rejection import accepted
from ..typing import Accept, Results, Sample, Scorer

__all__ = ['evolve']

_PARENTS = 0.05  # share of a generation that has offspring


def evolve(first: list[Sample], scorer: Scorer, mutate: Callable[[Sample], Sample], new: Accept, *,
           size: int, generations: int, random: np.random.Generator) -> Results:
    """Return all architectures of some generations with their scores.

    The parents of a generation are the best found so far, a twentieth of its size.

    Parameters
    ----------
    first
        The first generation.
    scorer
        Scores architectures, higher is better.
    mutate
        Makes a child of its parent.
    new
        Of `once`: accepts each architecture that counts, the first time.
    size
        Number of architectures of each further generation; fewer if no more children are new.
    generations
        Number of all.
    random
        Draws the parents.

    Examples
    --------
    >>> import torch
    >>> from nni_rankreg.sampler.rejection import once
    >>> total = lambda samples: torch.tensor([sum(one.values()) for one in samples])
    >>> evolve([{'x': 1}], total, lambda one: {'x': one['x'] + 1}, once([{'x': 1}]), size=1,
    ...        generations=4, random=np.random.default_rng(0)).metrics
    [1, 2, 3, 4]
    """
    found = Results(first, scorer(first).tolist())
    for _ in range(1, generations):
        parents = found.best_first().samples[:max(1, round(_PARENTS * size))]
        child = partial(_child, parents, mutate, random)
        children = list(islice(accepted(child, new), size))
        found = Results([*found.samples, *children],
                        [*found.metrics, *scorer(children).tolist()])
    return found


def _child(parents: Sequence[Sample], mutate: Callable[[Sample], Sample],
           random: np.random.Generator) -> Sample:
    return mutate(parents[int(random.integers(len(parents)))])
