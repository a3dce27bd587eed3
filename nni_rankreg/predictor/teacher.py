"""A teacher that learns from what a search has trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import nni

from .._util.error import brief
from ..typing import Constraints, Scorer
from .ensemble import Ensemble
from .evidence import Evidence, as_reference

__all__ = ['LearnedTeacher']


@nni.trace
class LearnedTeacher:
    """A predictor that learns from landmarks, and teaches a super-net the order of other pairs.

    This is the recipe of an `Ensemble` on structure and evidence. With 30 landmarks such a teacher
    ranks the cells of NAS-Bench-201 better than any proxy, see docs/results/few_results.md, without
    further trainings. Each super-net of a search has a teacher of its own, fitted to all results
    until then.

    Parameters
    ----------
    scorers
        Names of the proxies that are evidence, as of `Evidence`. Each proxy is computed for each
        architecture that is taught; ``flops`` and ``params`` take milliseconds.
    reference
        Number of random architectures among which evidence is ranked.
    seed
        Of the reference and of the predictor.

    Raises
    ------
    ValueError
        If the scorers are no list of names, or there is no reference.

    Examples
    --------
    >>> from nni_rankreg.space import NasBench201
    >>> import torch
    >>> batch = torch.zeros(2, 3, 8, 8), torch.zeros(2)
    >>> teacher = LearnedTeacher(reference=20).over(NasBench201(4, 1), batch)
    >>> type(teacher).__name__
    'Ensemble'
    """

    def __init__(self, scorers: Sequence[str] = ('flops', 'params'), *, reference: int = 200,
                 seed: int = 0):
        if (isinstance(scorers, str) or not isinstance(scorers, Sequence)
                or not all(isinstance(name, str) for name in scorers)):
            raise ValueError(f'Expected a list of names of proxies, got {brief(scorers)}; put a '
                             'lone name into a list.')
        self.scorers, self.reference, self.seed = list(scorers), as_reference(reference), seed

    def over(self, space: Any, batch: Any, accept: Constraints = None,
             scorers: Mapping[str, Scorer] = MappingProxyType({})) -> Ensemble:
        """Return what is to be fitted to the results of a search over a space.

        Parameters
        ----------
        space
            An NNI model space.
        batch
            Images and labels that proxies see.
        accept
            Which architectures count; None accepts all.
        scorers
            Name -> scorer of further evidence, such as a super-net.
        """
        # Evidence leaves names such as 'supernet' to the sources of a search.
        given = {f'given {name}': scorer for name, scorer in scorers.items()}
        every: dict[str, str | Scorer] = {**{name: name for name in self.scorers}, **given}
        evidence = Evidence(space, batch, every, reference=self.reference, seed=self.seed,
                            accept=accept, progress=False) if every else None
        return Ensemble(space, evidence=evidence, seed=self.seed, progress=False)
