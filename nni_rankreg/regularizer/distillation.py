"""Ranking distillation: a teacher, such as a zero-cost proxy, orders pairs of sub-nets."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import nni
import torch
from torch import Tensor

from ..loss import PairwiseRankingLoss
from ..sampler import MarginPairSampler
from ..schedule import Schedule
from .base import Regularizer
from .teaching import Teacher, Teaching
from .term import SupportsSubnetLoss, Term, TermContext, effective_term

__all__ = ['DistillationTerm', 'RankingDistillation']


@nni.trace
class RankingDistillation(Regularizer):
    r"""Keep the super-net's losses of random pairs in the order that a teacher gives them.

    .. math:: \mathcal{R}(\theta) = \sum_{(i,j)} \max(0,\, m + \mathcal{L}(x,\theta_{a_i})
              - \mathcal{L}(x,\theta_{a_j})), \qquad a_i \text{ better by the teacher},

    Source: Dong et al., "RD-NAS: Enhancing One-shot Supernet Ranking Ability via Ranking
    Distillation from Zero-cost Proxies", 2023, Eq. 3.

    Parameters
    ----------
    teacher
        Name of a zero-cost proxy (see `ProxyScorer`), any `Scorer`, or several of them, which
        vote on the order of each pair.
    sampler
        Draws the pairs; None draws them uniformly.
    weight
        :math:`\lambda_{max}`.
    pairs
        Pairs per step.
    criterion
        Loss of the pairs; None is the hinge with margin m = 0, as in the published code.
    detach
        Which sub-net of a pair the ranking does not train: ``'none'``; ``'first'``, the one drawn
        first, as published; or ``'better'``, so that the worse one is pushed down only.
    cross_entropy
        Whether the sub-nets of the pairs are trained by the evaluator's loss as well, in every
        epoch, as published; `EqualCostControl` with as many sub-nets is the control of this.
    schedule
        Factor over the epochs; None is sin(0.8 pi e / E), as published for NAS-Bench-201.

    Raises
    ------
    ValueError
        If a parameter is out of range; in the first step, if the teacher gives the same score to
        20 architectures, as then it orders nothing.

    .. note:: Eq. 3 is printed with the opposite sign, which would raise the loss of the better
       one. The published code counts a tie as "the first is better"; here a tie, or a score that
       is no number, carries no order. Its teacher is FLOPs, not NASWOT.

    Examples
    --------
    >>> teacher = lambda samples: torch.tensor([float(len(one['op'])) for one in samples])
    >>> RankingDistillation(teacher, MarginPairSampler('hamming', 1), pairs=2).weight
    2.0
    """

    def __init__(self, teacher: Teacher | Sequence[Teacher] = 'naswot',
                 sampler: MarginPairSampler | None = None, *, weight: float = 2., pairs: int = 1,
                 criterion: PairwiseRankingLoss | None = None, detach: str = 'none',
                 cross_entropy: bool = True, schedule: Schedule | None = None):
        super().__init__(weight, schedule or Schedule('sine', warmup=0))
        if pairs < 1:
            raise ValueError(f'Expected at least 1 pair per step, got {pairs}.')
        if detach not in ('none', 'first', 'better'):
            raise ValueError(f"Expected detach to be 'none', 'first' or 'better', got {detach!r}.")
        if detach == 'first' and cross_entropy and weight > 1:
            warnings.warn(f'With a weight of {weight:g} above 1 and detach={detach!r}, a sub-net '
                          'that is too good is trained to a higher loss.', stacklevel=2)
        self.teachers = ([teacher] if isinstance(teacher, str) or callable(teacher)
                         else list(teacher))
        self.sampler, self.pairs, self.detach = sampler or MarginPairSampler(), pairs, detach
        self.criterion = criterion or PairwiseRankingLoss()
        self.cross_entropy = cross_entropy

    def term(self, context: TermContext) -> DistillationTerm:
        """Return the term of one training."""
        return DistillationTerm(self, context)


class DistillationTerm(Term):
    """The term of `RankingDistillation`.

    Parameters
    ----------
    recipe
        What to do.
    context
        Space and filter of the training.

    Attributes
    ----------
    sampler
        Draws the pairs, with its acceptance rate.
    """

    def __init__(self, recipe: RankingDistillation, context: TermContext):
        super().__init__(recipe.weight, recipe.schedule_in(context))
        self.recipe = recipe
        self.sampler = recipe.sampler.over(context.space, context.accept)
        self.teaching = Teaching(recipe.teachers, context, recipe.sampler.seed)

    def active(self, epoch: int, epochs: int) -> bool:
        """Return whether the term takes part in an epoch, so that it needs a batch."""
        return self.recipe.cross_entropy or super().active(epoch, epochs)

    def loss(self, supernet: SupportsSubnetLoss, batch: Any, epoch: int) -> Tensor | None:
        """Return the weighted ranking loss of some pairs, plus their own losses if so chosen."""
        if not self.active(epoch, supernet.epochs):
            return None
        factor = self.factor(epoch, supernet.epochs)
        self.teaching.start(lambda: supernet.of_first_process(batch))
        pairs = [self.sampler.sample() for _ in range(self.recipe.pairs)]
        losses = [supernet.subnet_loss(sample, batch) for pair in pairs for sample in pair]
        order = torch.tensor([self.teaching.order(*pair) for pair in pairs])

        def total(losses: Tensor) -> Tensor:
            ranking = factor * self.ranking(losses, order)
            return losses.sum() + ranking if self.recipe.cross_entropy else ranking

        return effective_term(losses, total)

    def ranking(self, losses: Tensor, order: Tensor) -> Tensor:
        """Return the loss of the pairs (0, 1), (2, 3), ...

        Parameters
        ----------
        losses
            Of the sub-nets, shape (2 * pairs,).
        order
            +1 if the first of a pair is better, -1 if the second is, 0 if neither, shape (pairs,).
        """
        scores = -losses.view(-1, 2)
        targets = torch.stack([order, torch.zeros_like(order)], 1)
        if self.recipe.detach != 'none':
            fixed = (torch.tensor([True, False]) if self.recipe.detach == 'first'
                     else targets > targets.flip(1))
            scores = torch.where(fixed.to(losses.device, non_blocking=True), scores.detach(),
                                 scores)
        indices = torch.arange(len(losses)).view(-1, 2)
        return self.recipe.criterion(scores.flatten(), targets.flatten(), indices)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the pairs, and the batch that proxies see."""
        return {**self.sampler.state_dict(), 'batch': self.teaching.batch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` has returned."""
        self.sampler.load_state_dict(state)
        self.teaching.restart(state['batch'])
