"""Ranking distillation: a teacher, such as a zero-cost proxy, orders pairs of sub-nets."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Union

import nni
import torch
from nni.nas.nn.pytorch import ModelSpace
from torch import Tensor

from ..loss import PairwiseRankingLoss
from ..proxy import ProxyScorer
from ..sampler import MarginPairs, MarginPairSampler, UniformSampler
from ..schedule import Schedule
from ..typing import Accept, Sample, Scorer, sample_key
from .base import Regularizer, SupportsSubnetLoss, effective_term

__all__ = ['RankingDistillation']

Teacher = Union[str, Scorer]

_PROBED = 20  # architectures on which a teacher must not be constant


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

    Attributes
    ----------
    drawn_pairs
        Of the run, with their acceptance rate.

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
        self.drawn_pairs: MarginPairs | None = None
        self._space: ModelSpace | None = None
        self._probed: list[Sample] = []
        self._scorers: list[Scorer] = []
        self._known: dict[str, list[float]] = {}
        self._batch: list[Tensor] = []  # the first one, which proxies see

    def prepare(self, space: ModelSpace, accept: Accept | None) -> None:
        """Draw the pairs from this space; proxies score its networks."""
        self.drawn_pairs = self.sampler.over(space, accept)
        self._space = space  # a proxy builds it anew, whatever has become of it
        probe = UniformSampler(space, self.sampler.seed, accept=accept)
        self._probed = [probe.sample() for _ in range(_PROBED)]
        self._scorers, self._known, self._batch = [], {}, []

    def active(self, epoch: int, epochs: int) -> bool:
        """Return whether the term takes part in an epoch, so that it needs a batch."""
        return self.cross_entropy or super().active(epoch, epochs)

    def loss(self, supernet: SupportsSubnetLoss, batch: Any, epoch: int) -> Tensor | None:
        """Return the weighted ranking loss of some pairs, plus their own losses if so chosen."""
        factor = self.weight * self.schedule(epoch, supernet.epochs)
        if factor == 0 and not self.cross_entropy:
            return None
        if not self._scorers:
            self._start(supernet.of_first_process(batch))
        assert self.drawn_pairs is not None
        drawn = [self.drawn_pairs.sample() for _ in range(self.pairs)]
        losses = [supernet.subnet_loss(sample, batch) for pair in drawn for sample in pair]
        order = torch.tensor([self._order(*pair) for pair in drawn])

        def total(losses: Tensor) -> Tensor:
            ranking = factor * self._rank(losses, order)
            return losses.sum() + ranking if self.cross_entropy else ranking

        return effective_term(losses, total)

    def _rank(self, losses: Tensor, order: Tensor) -> Tensor:
        """Return the loss of the pairs (0, 1), (2, 3), ...; order: +1 if the first is better."""
        scores = -losses.view(-1, 2)
        targets = torch.stack([order, torch.zeros_like(order)], 1)
        if self.detach != 'none':
            fixed = (torch.tensor([True, False]) if self.detach == 'first'
                     else targets > targets.flip(1))
            scores = torch.where(fixed.to(losses.device, non_blocking=True), scores.detach(),
                                 scores)
        indices = torch.arange(len(losses)).view(-1, 2)
        return self.criterion(scores.flatten(), targets.flatten(), indices)

    def _start(self, batch: Any) -> None:
        """Make scorers of the names of proxies, and check that each teacher orders something."""
        self._scorers = [self._proxy(teacher, batch) if isinstance(teacher, str) else teacher
                         for teacher in self.teachers]
        for teacher, scorer in zip(self.teachers, self._scorers):
            scores = scorer(self._probed)
            if len(set(scores[scores.isfinite()].tolist())) < 2:
                raise ValueError(f'Expected a teacher that orders architectures, got {teacher!r}, '
                                 f'which gives {_PROBED} random ones no different scores.')

    def _proxy(self, name: str, batch: Any) -> ProxyScorer:
        """Return a proxy on the first batch of the training, also in one that was resumed."""
        first: Any = [one.to(batch[0].device) for one in self._batch]
        scorer = ProxyScorer(name, self._space, first or batch)
        self._batch = list(scorer.batch)
        return scorer

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the pairs, and the batch that proxies see."""
        assert self.drawn_pairs is not None
        return {**self.drawn_pairs.state_dict(), 'batch': self._batch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` has returned."""
        assert self.drawn_pairs is not None
        self.drawn_pairs.load_state_dict(state)
        self._batch, self._scorers = state['batch'], []

    def _order(self, first: Sample, second: Sample) -> int:
        """Return +1 if most teachers prefer the first, -1 if the second, 0 if neither."""
        votes = sum((one > other) - (one < other) for one, other in
                    zip(self._scores(first), self._scores(second)))
        return (votes > 0) - (votes < 0)

    def _scores(self, sample: Sample) -> list[float]:
        key = sample_key(sample)
        if key not in self._known:
            scores = [scorer([sample])[0].item() for scorer in self._scorers]
            self._known[key] = scores
        return self._known[key]
