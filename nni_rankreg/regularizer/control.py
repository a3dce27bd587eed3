"""The control of a claim of better ranking."""

from __future__ import annotations

from typing import Any

import nni
import torch
from torch import Tensor

from ..schedule import Schedule
from .base import Regularizer
from .term import SupportsSubnetLoss, Term, TermContext

__all__ = ['EqualCostControl', 'EqualCostTerm']


@nni.trace
class EqualCostControl(Regularizer):
    """The control of a claim of better ranking: as many sub-net passes, but no ranking.

    In each step of the ranking epochs, `count` more architectures, drawn as in training, are
    trained by the ordinary loss on the batch that a ranking term would get.

    Parameters
    ----------
    count
        Architectures per step; 2 m for a `LandmarkRegularizer` with m pairs.
    schedule
        Says in which epochs the control trains: where the factor is not zero, the weight is 1.

    Raises
    ------
    ValueError
        If the count is not positive.

    Examples
    --------
    >>> EqualCostControl(count=2).weight
    1.0
    """

    def __init__(self, count: int = 2, *, schedule: Schedule | None = None):
        super().__init__(1., schedule or Schedule())
        if count < 1:
            raise ValueError(f'Expected a count of at least 1, got {count}.')
        self.count = count

    def term(self, context: TermContext) -> EqualCostTerm:
        """Return the term of one training."""
        return EqualCostTerm(self.weight, self.schedule_in(context), self.count)


class EqualCostTerm(Term):
    """The term of `EqualCostControl`.

    Parameters
    ----------
    weight, schedule
        As of `Term`.
    count
        Architectures per step.
    """

    def __init__(self, weight: float, schedule: Schedule, count: int):
        super().__init__(weight, schedule)
        self.count = count

    def loss(self, supernet: SupportsSubnetLoss, batch: Any, epoch: int) -> Tensor | None:
        """Return the sum of the losses of `count` architectures in ranking epochs, else None."""
        if not self.active(epoch, supernet.epochs):
            return None
        losses = [supernet.subnet_loss(supernet.draw(), batch) for _ in range(self.count)]
        return torch.stack(losses).sum()
