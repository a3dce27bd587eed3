"""The loss of pairs in the wrong order, of landmark regularisation."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ['PairwiseRankingLoss']

_CHOICES = {
    'activation': ('relu', 'softplus', 'tanh_relu', 'focal'),
    'weighting': ('none', 'gap', 'scaled'),
    'reduction': ('sum', 'mean'),
}


class PairwiseRankingLoss(nn.Module):
    r"""Penalise pairs of architectures whose scores are in the wrong order.

    .. math:: R = \sum_{(i, j)} w_{ij}\, f(\mu + c_{ij} (s_j - s_i)), \quad y_i > y_j

    with scores s, targets y, margin :math:`\mu`, activation f, and w = c = 1 unless a weighting
    is chosen. The defaults with s = minus the loss of the super-net are Eq. 4 (all pairs) and
    Eq. 6 (given pairs) of Yu, Ranftl, Salzmann, "Landmark Regularization: Ranking Guided
    Super-Net Training in Neural Architecture Search", CVPR 2021.

    Parameters
    ----------
    margin
        Lead that the better architecture must have, in the unit of the scores; >= 0.
    activation
        f(x): 'relu' max(0, x); 'softplus' log(1 + exp(beta x)) / beta; 'tanh_relu'
        max(0, tanh x); 'focal' -sigmoid(x)^gamma log(1 - sigmoid(x)).
    beta
        Sharpness of 'softplus', > 0.
    gamma
        Exponent of 'focal', >= 0.
    weighting
        'gap': w = \|y_i - y_j\| / (max y - min y) over the targets given to the call, paired or
        not; 'scaled': c = \|y_i - y_j\|, in the unit of the targets; 'none'.
    reduction
        'sum' or 'mean' over the pairs that carry an order. With 'sum', as published, the number
        of pairs m also multiplies the weight lambda of the regulariser.

    Raises
    ------
    ValueError
        If a parameter is unknown or out of range.

    Notes
    -----
    .. note::
        The forms of the published code (github.com/kcyu2014/nas-landmarkreg, commit a00c361):

        ==========================  ==================================================
        mae_relu                    the defaults
        mae_tanh_relu               activation='tanh_relu'
        mae_softplus, _beta3/5/7    activation='softplus', beta=1, 3, 5, 7
        crossentropy                activation='softplus', which equals it but is stable
        focal_loss                  activation='focal'
        weighted = embed            weighting='gap'
        infinite, mae_relu          weighting='scaled'
        infinite, softplus          weighting='scaled', activation='softplus', beta=5
        infinite, hinge_sign        margin=1
        mae_relu_inverse (control)  the defaults, called with minus the scores
        ==========================  ==================================================

        Left out on purpose: mae_sign_relu and mae_sign_tanh_relu (gradient 0 everywhere);
        mae_relu_norm (0/0 for equal scores); infinite with mae_relu_sigmoid or sigmoid_softplus
        (divide by the gap of the targets); mixed_focal (jumps at equal scores); infinite with a
        tanh of both differences (the role of 'tanh_relu' with a weighting).

    Examples
    --------
    >>> scores = torch.tensor([0.5, 0.25, 1.0])
    >>> targets = torch.tensor([0.9, 0.8, 0.7])
    >>> PairwiseRankingLoss()(scores, targets)
    tensor(1.2500)
    >>> PairwiseRankingLoss()(scores, targets, torch.tensor([[2, 0]]))
    tensor(0.5000)
    """

    def __init__(
        self, *, margin: float = 0., activation: str = 'relu', beta: float = 1., gamma: float = 5.,
        weighting: str = 'none', reduction: str = 'sum',
    ) -> None:
        super().__init__()
        chosen = {'activation': activation, 'weighting': weighting, 'reduction': reduction}
        for name, value in chosen.items():
            if value not in _CHOICES[name]:
                raise ValueError(f'Expected {name} to be one of {", ".join(_CHOICES[name])}, '
                                 f'got {value!r}.')
        for name, number in (('margin', margin), ('gamma', gamma)):
            if not (math.isfinite(number) and number >= 0):
                raise ValueError(f'Expected {name} to be finite and >= 0, got {number}.')
        if not (math.isfinite(beta) and beta > 0):
            raise ValueError(f'Expected beta to be finite and > 0, got {beta}.')
        self.margin, self.beta, self.gamma = margin, beta, gamma
        self.activation, self.weighting, self.reduction = activation, weighting, reduction

    def forward(self, scores: Tensor, targets: Tensor, pairs: Tensor | None = None) -> Tensor:
        """Return the loss; gradients reach the scores only.

        Parameters
        ----------
        scores
            Predictions, shape (N,), floating point, higher is better.
        targets
            Truth, shape (N,), higher is better. Pairs with equal targets carry no order and are
            ignored; they do not count in a mean either.
        pairs
            Indices of the two architectures of each pair in either order, shape (m, 2), integer.
            A repeated pair counts repeatedly. None stands for all pairs i < j.

        Returns
        -------
        Tensor
            Scalar with the dtype of the scores; a differentiable 0 if no pair carries an order.

        Raises
        ------
        ValueError
            If shapes, dtypes or indices do not fit, or if a target is not finite.
        """
        targets = _check_targets(scores, targets)
        pairs = _check_pairs(pairs, targets)
        gap = targets[pairs[:, 0]] - targets[pairs[:, 1]]
        pairs, gap = pairs[gap != 0], gap[gap != 0]
        better, worse = _on(torch.where(gap[:, None] > 0, pairs, pairs.flip(1)), scores).unbind(1)
        excess = scores[worse] - scores[better]
        gap = gap.abs()
        if self.weighting == 'scaled':
            excess = excess * _on(gap, scores).to(scores.dtype)
        terms = self._activate(self.margin + excess)
        if self.weighting == 'gap' and len(terms):  # without a pair the range may be 0
            terms = terms * _on(gap / (targets.max() - targets.min()), scores).to(scores.dtype)
        total = terms.sum()
        return total / max(1, len(terms)) if self.reduction == 'mean' else total

    def extra_repr(self) -> str:
        """Return the parameters, for `print`."""
        return (f'margin={self.margin}, activation={self.activation!r}, beta={self.beta}, '
                f'gamma={self.gamma}, weighting={self.weighting!r}, '
                f'reduction={self.reduction!r}')

    def _activate(self, excess: Tensor) -> Tensor:
        if self.activation == 'softplus':
            return F.softplus(excess, beta=self.beta)
        if self.activation == 'focal':
            # -log(1 - sigmoid(x)) = softplus(x). The power is taken in the exponent, where a
            # vanishing sigmoid has a gradient of 0 and not of 0 * inf.
            return torch.exp(self.gamma * F.logsigmoid(excess)) * F.softplus(excess)
        if self.activation == 'tanh_relu':
            return F.relu(torch.tanh(excess))
        return F.relu(excess)


def _check_targets(scores: Tensor, targets: Tensor) -> Tensor:
    if scores.ndim != 1 or scores.shape != targets.shape:
        raise ValueError('Expected scores and targets of one shape (N,), '
                         f'got {tuple(scores.shape)} and {tuple(targets.shape)}.')
    if not scores.is_floating_point():
        raise ValueError(f'Expected floating-point scores, got {scores.dtype}.')
    if not targets.isfinite().all():
        raise ValueError('Expected finite targets, got NaN or infinity; leave out the '
                         'architectures without a result.')
    # Integers would wrap (uint8) or not subtract at all (bool).
    targets = targets if targets.is_floating_point() else targets.to(torch.float64)
    return targets.detach()


def _check_pairs(pairs: Tensor | None, targets: Tensor) -> Tensor:
    count = len(targets)
    if pairs is None:
        return torch.combinations(torch.arange(count, device=targets.device))
    if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.dtype not in (torch.int64, torch.int32):
        raise ValueError('Expected integer pairs of shape (m, 2), '
                         f'got {pairs.dtype} of shape {tuple(pairs.shape)}.')
    # Negative indices would silently count from the end.
    if ((pairs < 0) | (pairs >= count)).any():
        raise ValueError(f'Expected indices of pairs in 0..{count - 1}, '
                         f'got {int(pairs.min())}..{int(pairs.max())}.')
    return pairs.to(targets.device, torch.int64)


def _on(known: Tensor, scores: Tensor) -> Tensor:
    """Return what is known of the pairs where the scores are; a GPU is not waited for."""
    return known.to(scores.device, non_blocking=True)
