"""Losses of lists of architectures, for predictors that learn to rank."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ['LambdaRankLoss', 'RankNetLoss', 'MeanSquaredLoss']

_POSITIONS = ('predicted', 'published')


class _ListLoss(nn.Module):
    """A loss of lists with padding: checks the input; a subclass has the loss of each list."""

    def forward(self, scores: Tensor, targets: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the mean loss of the lists; gradients reach the scores only.

        Parameters
        ----------
        scores
            Predictions, shape (N,), or (L, N) for L lists, floating point, higher is better.
        targets
            Truth, the same shape, higher is better.
        mask
            True where there is an architecture, False where a list is padded, the same shape.
            None for lists without padding. What stands in the padding is irrelevant.

        Returns
        -------
        Tensor
            Scalar with the dtype of the scores; a differentiable 0 if no list carries a loss.

        Raises
        ------
        ValueError
            If shapes or dtypes do not fit, or if a target is not finite or out of range.
        """
        scores, targets, mask = _check_lists(scores, targets, mask)
        losses = self._losses(scores, self._check_targets(targets), mask)
        return losses.sum() / max(1, int(mask.any(dim=1).sum()))

    def _check_targets(self, targets: Tensor) -> Tensor:
        return targets

    def _losses(self, scores: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        raise NotImplementedError


class LambdaRankLoss(_ListLoss):
    r"""The loss whose gradient is LambdaRank's, which improves NDCG.

    .. math:: L = \sum_{y_i > y_j} |\Delta NDCG_{ij}| \log(1 + e^{-\sigma (s_i - s_j)}), \quad
        |\Delta NDCG_{ij}| = \frac{|2^{y_i} - 2^{y_j}|}{IDCG} |D(r_i) - D(r_j)|, \quad
        D(r) = \frac{1}{\log_2(1 + r)}

    with scores s, relevance y and r the position, from 1, in the order of the scores, highest
    first; equal scores take positions in the order given. The weights are constants for the
    gradient. Source: Burges, Ragno, Le, "Learning to Rank with Nonsmooth Cost Functions", NeurIPS
    2006; used by Zhang et al., "AceNAS", 2021.

    Parameters
    ----------
    sigma
        Sharpness, > 0.
    truncation
        Positions beyond it do not count, in the discount and in the ideal: NDCG at `truncation`.
        None counts all.
    positions
        'predicted', or 'published' for the fault described below.

    Raises
    ------
    ValueError
        If a parameter is out of range; on calling, if a relevance is negative.

    Notes
    -----
    .. note::
        The published code of AceNAS (github.com/ultmaster/AceNAS, commit 46c8895) takes r from
        the true order, worst first, so that the weights do not depend on the scores and pairs at
        the top hardly count: of 20 labels, the first two weigh .002 instead of .187.
        ``positions='published'`` does the same, for comparisons.

    Examples
    --------
    >>> scores, relevance = torch.tensor([0., 1., 2.]), torch.tensor([2., 1., 0.])
    >>> LambdaRankLoss()(scores, relevance)
    tensor(1.1069)
    >>> LambdaRankLoss()(scores, torch.zeros(3))
    tensor(0.)
    """

    def __init__(self, *, sigma: float = 1., truncation: int | None = None,
                 positions: str = 'predicted'):
        super().__init__()
        if positions not in _POSITIONS:
            raise ValueError(f'Expected positions to be one of {", ".join(_POSITIONS)}, '
                             f'got {positions!r}.')
        if truncation is not None and truncation < 1:
            raise ValueError(f'Expected a truncation of at least 1 position, got {truncation}.')
        self.sigma, self.truncation = _check_sigma(sigma), truncation
        self.positions = positions

    def extra_repr(self) -> str:
        """Return the parameters, for `print`."""
        return (f'sigma={self.sigma}, truncation={self.truncation}, '
                f'positions={self.positions!r}')

    def _check_targets(self, targets: Tensor) -> Tensor:
        if (targets < 0).any():
            raise ValueError(f'Expected a relevance of at least 0, got {targets.min().item()}; '
                             'nni_rankreg.metric.relevance makes it from accuracies.')
        return targets

    def _losses(self, scores: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        weights = self._weights(scores.detach(), targets, mask)
        return _pair_losses(scores, weights, self.sigma)

    def _weights(self, scores: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """Return |delta NDCG| of each pair whose first is the better, otherwise 0; (L, N, N)."""
        size = targets.shape[1]
        # Only ratios of gains matter; relative to the largest they cannot overflow.
        top = targets.amax(dim=1, keepdim=True) if size else targets
        gains = (torch.exp2(targets - top) - torch.exp2(-top)) * mask
        discounts = 1 / torch.log2(torch.arange(2., size + 2, device=scores.device))
        discounts = discounts.to(scores.dtype)
        if self.truncation is not None:
            discounts[self.truncation:] = 0
        ideal = (gains.sort(dim=1, descending=True).values * discounts).sum(dim=1, keepdim=True)
        keys = -scores if self.positions == 'predicted' else targets
        order = keys.masked_fill(~mask, math.inf).argsort(dim=1, stable=True)
        own = torch.zeros_like(scores).scatter_(1, order, discounts.expand_as(scores))
        # A list without any relevance has no ideal and no gains.
        gains = gains / ideal.masked_fill(ideal == 0, 1)
        return _differences(gains).clamp(min=0) * _differences(own).abs() * mask[:, None, :]


class RankNetLoss(_ListLoss):
    r"""The mean logistic loss of all pairs of a list.

    .. math:: L = \frac{1}{P} \sum_{y_i > y_j} \log(1 + e^{-\sigma (s_i - s_j)})

    with scores s, targets y and the number P of pairs that carry an order. Source: Burges et al.,
    "Learning to Rank using Gradient Descent", ICML 2005.

    Parameters
    ----------
    sigma
        Sharpness, > 0; otherwise a ValueError.

    Notes
    -----
    .. note::
        The published code of AceNAS compares the first half of a list with the second and pulls
        the second of two equal targets up.

    Examples
    --------
    >>> RankNetLoss()(torch.tensor([0., 0., 0.]), torch.tensor([3., 2., 1.]))
    tensor(0.6931)
    """

    def __init__(self, *, sigma: float = 1.):
        super().__init__()
        self.sigma = _check_sigma(sigma)

    def extra_repr(self) -> str:
        """Return the parameter, for `print`."""
        return f'sigma={self.sigma}'

    def _losses(self, scores: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        better = (_differences(targets) > 0) & mask[:, :, None] & mask[:, None, :]
        count = better.sum(dim=(1, 2)).clamp(min=1)
        return _pair_losses(scores, better.to(scores.dtype), self.sigma) / count


class MeanSquaredLoss(_ListLoss):
    """The mean squared error, the control of the ranking losses, with their signature.

    Examples
    --------
    >>> mask = torch.tensor([[True, True], [True, False]])
    >>> MeanSquaredLoss()(torch.ones(2, 2), torch.tensor([[1., 3.], [4., 0.]]), mask)
    tensor(5.5000)
    """

    def _losses(self, scores: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        errors = (scores - targets).square() * mask
        return errors.sum(dim=1) / mask.sum(dim=1).clamp(min=1)


def _pair_losses(scores: Tensor, weights: Tensor, sigma: float) -> Tensor:
    return -(weights * F.logsigmoid(sigma * _differences(scores))).sum(dim=(1, 2))


def _differences(values: Tensor) -> Tensor:
    return values[:, :, None] - values[:, None, :]


def _check_sigma(sigma: float) -> float:
    if not (math.isfinite(sigma) and sigma > 0):
        raise ValueError(f'Expected sigma to be finite and > 0, got {sigma}.')
    return sigma


def _check_lists(scores: Tensor, targets: Tensor, mask: Tensor | None
                 ) -> tuple[Tensor, Tensor, Tensor]:
    """Return all three in shape (L, N), with zeros in the padding."""
    if mask is None:
        mask = torch.ones_like(scores, dtype=torch.bool)
    if scores.ndim not in (1, 2) or not scores.shape == targets.shape == mask.shape:
        raise ValueError('Expected scores, targets and mask of one shape (N,) or (L, N), got '
                         f'{tuple(scores.shape)}, {tuple(targets.shape)}, {tuple(mask.shape)}.')
    if not scores.is_floating_point():
        raise ValueError(f'Expected floating-point scores, got {scores.dtype}.')
    if mask.dtype != torch.bool:
        raise ValueError(f'Expected a boolean mask, got {mask.dtype}.')
    mask = torch.atleast_2d(mask.to(scores.device))
    scores = torch.atleast_2d(scores).masked_fill(~mask, 0)
    targets = torch.atleast_2d(targets.detach().to(scores)).masked_fill(~mask, 0)
    if not targets.isfinite().all():
        raise ValueError('Expected finite targets, got NaN or infinity; leave out the '
                         'architectures without a result.')
    return scores, targets, mask
