"""SPOS: single-path one-shot, extended by ranking regularisers; a drop-in for RandomOneShot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import nni
from nni.nas.evaluator.pytorch import LightningModule
from nni.nas.nn.pytorch import ModelSpace

from ..regularizer import Regularizer, TermContext
from ..sampler import PathSampler
from ..search import Evolution, ScoredSample
from ..supernet import SuperNetModule
from ..typing import Scorer
from .oneshot import SuperNetStrategy

__all__ = ['SPOS']


@nni.trace
class SPOS(SuperNetStrategy):
    """Single-path one-shot with uniform sampling and evolution over the super-net.

    Source: Guo et al., "Single Path One-Shot Neural Architecture Search with Uniform Sampling",
    ECCV 2020; regularisers after Yu et al., CVPR 2021. Use it where
    `nni.nas.strategy.RandomOneShot` is used; the evaluator stays as it is.

    Parameters
    ----------
    regularizers
        Ranking terms of the training loss.
    sampler
        Makes, from the space and a seed, what draws the architectures of each step, for example
        `SandwichSampler`; None draws one, uniformly.
    **kwargs
        As of `SuperNetStrategy`: ``truth``, ``metric``, ``evolution``, ``checkpoint_folder``,
        ``seed`` ... Without an evolution it is one of 1,000 evaluations, or all of a space with
        fewer architectures.

    Examples
    --------
    >>> from nni_rankreg.regularizer import LandmarkRegularizer
    >>> from nni_rankreg.typing import Results
    >>> landmarks = Results([{'op': 'conv'}, {'op': 'none'}], [0.9, 0.1])
    >>> strategy = SPOS(regularizers=[LandmarkRegularizer(landmarks, weight=10.)])
    >>> # NasExperiment(space, evaluator, strategy).run()
    """

    def __init__(self, regularizers: Sequence[Regularizer] = (), *,
                 sampler: Callable[[ModelSpace, int], PathSampler] | None = None, **kwargs: Any):
        super().__init__(regularizers, **kwargs)
        self.sampler = sampler

    def make_module(self, training_module: LightningModule, supernet: ModelSpace,
                    context: TermContext, **options: Any) -> SuperNetModule:
        """Return the Lightning module that trains the super-net."""
        sampler = None if self.sampler is None else self.sampler(supernet, self.seed)
        return SuperNetModule(training_module, sampler=sampler, **options)

    def search(self, module: SuperNetModule, scorer: Scorer) -> list[ScoredSample]:
        """Return all architectures that the evolution has met, best first."""
        return Evolution().search(scorer, module.model, accept=module.accept)
