"""What strategies that learn the architecture by gradients share."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from itertools import islice
from typing import Any, ClassVar

from nni.nas.nn.pytorch import ModelSpace

from ..host.network.mixture import Mixer
from ..regularizer import Regularizer
from ..sampler.rejection import once
from ..search import ScoredSample, best_first
from ..supernet import SuperNetModule
from ..supernet.architecture import ArchitectureParameters
from ..supernet.differentiable import DifferentiableModule
from ..typing import Constraints, Scorer
from .oneshot import SuperNetStrategy

__all__ = ['DifferentiableStrategy']

_PATIENCE = 100  # rejections by the filter for each candidate


class DifferentiableStrategy(SuperNetStrategy):
    """Learns the probability of every choice, and scores the most probable architectures.

    Each step trains the architecture on a held-out batch, then the weights on a training batch;
    regularisers act on the weights only. At the end, the most probable distinct architectures are
    scored with the weights of the super-net and listed by their scores.

    Parameters
    ----------
    regularizers
        Ranking terms of the weights' loss.
    candidates
        Number of most probable architectures that are scored; of functional twins only the most
        probable one counts.
    arc_learning_rate
        Of the architecture's Adam, as NNI names it; betas (0.5, 0.999), weight decay 0.001.
    warmup_epochs
        First epochs, in which only the weights are trained.
    gradient_clip_val
        Clips the norm of the weights' gradients, as NNI names it; None leaves it to the trainer of
        the evaluator.
    filter_weight
        How strongly a ``filter`` acts on the architecture. The loss of the architecture gets a
        term: minus the logarithm of the probability that a drawn architecture is accepted, times
        this weight. So a choice that is always rejected vanishes, unless it lowers the loss by more
        than the weight. 0 leaves the term out. In any case only accepted architectures are drawn
        and exported.
    **kwargs
        As of `SuperNetStrategy`: ``truth``, ``metric``, ``checkpoint_folder``, ``seed`` ...

    Raises
    ------
    ValueError
        If a count is out of range; on running, if a choice cannot be weighed, or is not one of a
        list.
    """

    paths_only: ClassVar[bool] = False
    """Whether only paths are executed, so that a choice may change the size of an output."""

    def __init__(self, regularizers: Sequence[Regularizer] = (), *, candidates: int = 100,
                 arc_learning_rate: float = 3e-4, warmup_epochs: int = 0,
                 gradient_clip_val: float | None = None, filter_weight: float = 1.,
                 **kwargs: Any):
        super().__init__(regularizers, **kwargs)
        if gradient_clip_val is not None and not gradient_clip_val > 0:
            raise ValueError('Expected gradient_clip_val above 0, or None, got '
                             f'{gradient_clip_val}.')
        if not filter_weight >= 0:
            raise ValueError(f'Expected filter_weight of at least 0, got {filter_weight}.')
        if not arc_learning_rate > 0:
            raise ValueError(f'Expected arc_learning_rate above 0, got {arc_learning_rate}.')
        if candidates < 1 or warmup_epochs < 0:
            raise ValueError('Expected at least 1 candidate and 0 warmup_epochs, got '
                             f'{candidates} and {warmup_epochs}.')
        self.candidates, self.arc_learning_rate = candidates, arc_learning_rate
        self.warmup_epochs, self.gradient_clip_val = warmup_epochs, gradient_clip_val
        self.filter_weight = filter_weight

    @property
    def holds_out(self) -> bool:
        """Whether training needs held-out data: the architecture does."""
        return True

    def check(self, space: Any, evaluator: Any, accept: Constraints = None,
              results: int | None = None) -> None:
        """Refuse what cannot train a super-net of a space, also what cannot be mixed."""
        super().check(space, evaluator, accept, results)
        self.make_architecture(self.mutate_model(deepcopy(space)))

    def differentiable_options(self, supernet: ModelSpace) -> dict[str, Any]:
        """Return the arguments of a `DifferentiableModule`."""
        return {'architecture': self.make_architecture(supernet),
                'learning_rate': self.arc_learning_rate, 'warmup_epochs': self.warmup_epochs,
                'gradient_clip_val': self.gradient_clip_val, 'filter_weight': self.filter_weight}

    def make_architecture(self, supernet: ModelSpace) -> ArchitectureParameters:
        """Return a logit for every choice; what cannot be mixed is told at once."""
        Mixer(supernet, self.paths_only)
        return ArchitectureParameters(supernet, self.seed)

    def search(self, module: SuperNetModule, scorer: Scorer) -> list[ScoredSample]:
        """Return the most probable architectures that the filter accepts, by their scores.

        Raises
        ------
        RuntimeError
            If the filter accepts none of many.
        """
        assert isinstance(module, DifferentiableModule)
        probable = islice(module.architecture.most_probable(), _PATIENCE * self.candidates)
        new = once(accept=module.accept, key=module.form)
        samples = list(islice(filter(new, probable), self.candidates))
        if not samples:
            raise RuntimeError('Expected the filter to accept one of the '
                               f'{_PATIENCE * self.candidates} most probable architectures, got '
                               f'rejections only: {module.accept}. Widen its bounds.')
        scores = scorer(samples).tolist()
        return best_first(map(ScoredSample, samples, scores))
