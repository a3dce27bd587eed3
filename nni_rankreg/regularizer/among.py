"""Which pairs of the architectures of a step carry the ranking loss, and what they weigh."""

from __future__ import annotations

from torch import Tensor

from ..loss import PairwiseRankingLoss

__all__ = ['all_pairs_loss', 'check_among']


def check_among(among: str) -> str:
    """Return which pairs carry the loss; raise a ValueError if it is neither of both.

    Examples
    --------
    >>> check_among('all')
    'all'
    """
    if among not in ('drawn', 'all'):
        raise ValueError(f"Expected among to be 'drawn' or 'all', got {among!r}.")
    return among


def all_pairs_loss(criterion: PairwiseRankingLoss, scores: Tensor, targets: Tensor, pairs: Tensor,
                   drawn: int) -> Tensor:
    """Return the loss of all pairs of a step, which weigh together as much as those drawn.

    So the loss has the same expectation as that of the drawn pairs, and varies less.

    Parameters
    ----------
    criterion
        Loss of the pairs.
    scores, targets
        As of the criterion, shape (N,).
    pairs
        All of them, shape (m, 2); those with equal targets carry no order and do not count.
    drawn
        Number of pairs whose weight a sum has.

    Examples
    --------
    >>> import torch
    >>> scores, targets = torch.tensor([1., 2., 3.]), torch.tensor([3., 2., 1.])
    >>> pairs = torch.combinations(torch.arange(3))
    >>> all_pairs_loss(PairwiseRankingLoss(), scores, targets, pairs, drawn=1)
    tensor(1.3333)
    """
    loss = criterion(scores, targets, pairs)
    ordered = int((targets[pairs[:, 0]] != targets[pairs[:, 1]]).sum())
    return loss if criterion.reduction == 'mean' or not ordered else loss * (drawn / ordered)
