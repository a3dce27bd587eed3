"""Ranking distillation: a teacher, such as a zero-cost proxy, orders pairs of sub-nets."""

from __future__ import annotations

import warnings
from typing import Any

import nni
import torch
from torch import Tensor

from ..loss import PairwiseRankingLoss
from ..sampler import MarginPairSampler, PairSampler
from ..schedule import Schedule
from ..table.source import ResultsSource
from ..typing import Sample
from .among import all_pairs_loss, check_among
from .base import Regularizer
from .known import check_landmarks, known_results
from .teaching import Teacher, Teaching, learns
from .term import SupportsSubnetLoss, Term, TermContext, effective_term

__all__ = ['DistillationTerm', 'RankingDistillation']


@nni.trace
class RankingDistillation(Regularizer):
    r"""Keep the super-net's losses of random pairs in the order that a teacher gives them.

    .. math:: \mathcal{R}(\theta) = \sum_{(i,j)} \max(0,\, m + \mathcal{L}(x,\theta_{a_i})
              - \mathcal{L}(x,\theta_{a_j})), \qquad a_i \text{ better by the teacher},

    over pairs drawn in each step, or over all pairs of the architectures of a step. Some of these
    architectures may be landmarks; the truth orders landmarks among themselves.
    Source: Dong et al., "RD-NAS: Enhancing One-shot Supernet Ranking Ability via Ranking
    Distillation from Zero-cost Proxies", 2023, Eq. 3.

    Parameters
    ----------
    teacher
        Name of a zero-cost proxy (see `ProxyScorer`), any `Scorer`, or several of them, which
        vote on the order of each pair. A `LearnedTeacher`, or one with a method ``fit(samples,
        metrics)`` such as a `Ranker`, learns from the landmarks before the first step of each
        training.
    sampler
        Draws the pairs; None draws them uniformly.
    weight
        :math:`\lambda_{max}`.
    pairs
        Pairs per step.
    landmark_pairs
        Pairs of landmarks per step in addition, drawn uniformly.
    landmarks
        As of `LandmarkRegularizer`: None takes those that a search trains.
    among
        Which pairs of the architectures of a step carry the loss: those ``'drawn'``, as published,
        or ``'all'`` that have the margin of `sampler`, up to 28 for 8 architectures. Both cost the
        same sub-nets. Together all pairs weigh as much as the drawn ones. Whether all pairs teach
        better has been measured for landmarks only, see `LandmarkRegularizer`.
    criterion
        Loss of the pairs; None is the hinge with margin m = 0, as in the published code.
    detach
        Which sub-net of a pair the ranking does not train: ``'none'``; ``'first'``, the one drawn
        first, as published; or ``'better'``, so that the worse one is pushed down only.
    cross_entropy
        Whether the evaluator's loss trains the sub-nets of the pairs as well, in every epoch, as
        published. The control of this is `EqualCostControl` with as many sub-nets.
    schedule
        Factor over the epochs; None is sin(0.8 pi e / E), as published for NAS-Bench-201.

    Raises
    ------
    ValueError
        If a parameter is out of range; in the first step, if the teacher gives 20 architectures
        the same score, and so orders none of them.

    .. note:: Eq. 3 is printed with the opposite sign, which would raise the loss of the better
       one. The published code counts a tie as "the first is better"; here a tie, or a score that
       is no number, carries no order. Its teacher is FLOPs, not NASWOT.

    Examples
    --------
    >>> teacher = lambda samples: torch.tensor([float(len(one['op'])) for one in samples])
    >>> RankingDistillation(teacher, MarginPairSampler('hamming', 1), pairs=2).weight
    2.0
    """

    def __init__(self, teacher: Teacher | list[Teacher] | tuple[Teacher, ...] = 'naswot',
                 sampler: MarginPairSampler | None = None, *, weight: float = 2., pairs: int = 1,
                 landmark_pairs: int = 0, landmarks: ResultsSource | None = None,
                 among: str = 'drawn', criterion: PairwiseRankingLoss | None = None,
                 detach: str = 'none', cross_entropy: bool = True,
                 schedule: Schedule | None = None):
        super().__init__(weight, schedule or Schedule('sine', warmup=0))
        if pairs < 1:
            raise ValueError(f'Expected at least 1 pair per step, got {pairs}.')
        if landmark_pairs < 0:
            raise ValueError('Expected at least 0 pairs of landmarks per step, got '
                             f'{landmark_pairs}.')
        if detach not in ('none', 'first', 'better'):
            raise ValueError(f"Expected detach to be 'none', 'first' or 'better', got {detach!r}.")
        if detach == 'first' and cross_entropy and weight > 1:
            warnings.warn(f'With a weight of {weight:g} above 1 and detach={detach!r}, a sub-net '
                          'that is too good is trained to a higher loss.', stacklevel=2)
        self.teachers: list[Teacher] = (
            list(teacher) if isinstance(teacher, (list, tuple)) else [teacher])
        self.sampler, self.pairs, self.detach = sampler or MarginPairSampler(), pairs, detach
        self.landmark_pairs, self.landmarks = landmark_pairs, landmarks
        self.among = check_among(among)
        self.criterion = criterion or PairwiseRankingLoss()
        self.cross_entropy = cross_entropy

    @property
    def needs_results(self) -> bool:
        """Whether landmarks are drawn, or learnt from, and none are given."""
        return self.landmarks is None and (
            self.landmark_pairs > 0 or any(map(learns, self.teachers)))

    def check(self, context: TermContext) -> None:
        """Refuse landmarks that do not fit the space."""
        known_results(self.landmarks, context)

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

    Raises
    ------
    ValueError
        If pairs of landmarks are to be drawn of fewer than two.
    """

    def __init__(self, recipe: RankingDistillation, context: TermContext):
        super().__init__(recipe.weight, recipe.schedule_in(context))
        self.recipe = recipe
        self.sampler = recipe.sampler.over(context.space, context.accept)
        self.landmark_sampler = PairSampler(recipe.sampler.seed)
        known = known_results(recipe.landmarks, context)
        if recipe.landmark_pairs:
            check_landmarks(known.seen, type(recipe).__name__, context)
        if recipe.landmark_pairs or any(map(learns, recipe.teachers)):
            self.results, self.held_out = known
        self.teaching = Teaching(recipe.teachers, context, recipe.sampler.seed, self.results)

    def active(self, epoch: int, epochs: int) -> bool:
        """Return whether the term takes part in an epoch, so that it needs a batch."""
        return self.recipe.cross_entropy or super().active(epoch, epochs)

    def loss(self, supernet: SupportsSubnetLoss, batch: Any, epoch: int) -> Tensor | None:
        """Return the weighted ranking loss of some pairs, plus their own losses if so chosen."""
        if not self.active(epoch, supernet.epochs):
            return None
        factor = self.factor(epoch, supernet.epochs)
        self.teaching.start(lambda: supernet.of_first_process(batch))
        samples = self._draw()
        losses = [supernet.subnet_loss(sample, batch) for sample in samples]
        rows = torch.arange(len(samples))
        pairs = torch.combinations(rows) if self.recipe.among == 'all' else rows.view(-1, 2)
        order = self._order(samples, pairs)

        def total(losses: Tensor) -> Tensor:
            ranking = factor * self.ranking(losses, pairs, order)
            return losses.sum() + ranking if self.recipe.cross_entropy else ranking

        return effective_term(losses, total)

    def ranking(self, losses: Tensor, pairs: Tensor, order: Tensor) -> Tensor:
        """Return the loss of some pairs.

        Parameters
        ----------
        losses
            Of the sub-nets, shape (N,).
        pairs
            Their indices, shape (m, 2), on the CPU.
        order
            +1 if the first of a pair is better, -1 if the second is, 0 if neither, shape (m,).
        """
        scores = -losses[pairs.to(losses.device, non_blocking=True)]
        targets = torch.stack([order, torch.zeros_like(order)], 1)
        if self.recipe.detach != 'none':
            fixed = (torch.tensor([True, False]) if self.recipe.detach == 'first'
                     else targets > targets.flip(1))
            scores = torch.where(fixed.to(losses.device, non_blocking=True), scores.detach(),
                                 scores)
        told = scores.flatten(), targets.flatten(), torch.arange(2 * len(pairs)).view(-1, 2)
        return (self.recipe.criterion(*told) if self.recipe.among == 'drawn'
                else all_pairs_loss(self.recipe.criterion, *told, len(losses) // 2))

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the pairs, and the batch that proxies see."""
        return {**self.sampler.state_dict(), 'batch': self.teaching.batch,
                'landmarks': self.landmark_sampler.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` has returned."""
        self.sampler.load_state_dict(state)
        self.landmark_sampler.load_state_dict(state['landmarks'])
        self.teaching.restart(state['batch'])

    def _draw(self) -> list[Sample]:
        """Return the architectures of a step, pair after pair, those of landmarks last."""
        drawn = [self.sampler.sample() for _ in range(self.recipe.pairs)]
        rows = self.landmark_sampler.sample(self.results.metrics, self.recipe.landmark_pairs)
        return [*(one for pair in drawn for one in pair),
                *(self.results.samples[row] for row in rows.flatten().tolist())]

    def _order(self, samples: list[Sample], pairs: Tensor) -> Tensor:
        """Return the order of pairs; the teachers say nothing of those that are too close."""
        self.teaching.look(samples)
        return torch.tensor([
            self.teaching.order(first, second)
            if self.teaching.knows(first, second) or self.sampler.far(first, second) else 0
            for first, second in ((samples[row] for row in pair) for pair in pairs.tolist())])
