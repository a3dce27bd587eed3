"""Losses of depth maps that are known up to a scale and a shift only."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ['ScaleShiftInvariantLoss', 'check_maps']

_SMALLEST_SCALE = 1e-6  # of a map that is constant but for rounding


class ScaleShiftInvariantLoss(nn.Module):
    r"""Trimmed absolute error of two disparity maps, each aligned by its median and its spread.

    .. math:: \hat d = \frac{d - \mathrm{median}(d)}{\frac1M \sum_i |d_i - \mathrm{median}(d)|},
              \qquad R_i = \hat d_i - \hat d_i^*, \qquad
              \mathcal{L} = \frac{1}{2M} \sum_{j=1}^{U} |R|_{(j)}
              + \alpha \sum_{k=0}^{K-1} \frac{1}{M_k} \sum_i |\nabla_x R_i^k| + |\nabla_y R_i^k|

    for the M valid pixels of an image, U of which have the smallest errors; :math:`R^k` is every
    :math:`2^k`-th pixel of R in each direction. The mean over the images.

    Source: Ranftl et al., "Towards Robust Monocular Depth Estimation", TPAMI 2020, Eq. 5, 7, 10
    and 11; the task loss of Yu et al., "Landmark Regularization", CVPR 2021.

    Parameters
    ----------
    trim
        Share of the valid pixels of each image whose errors, the largest, are left out; in [0, 1).
    gradient_weight
        :math:`\alpha`, of the term that compares the edges; at least 0.
    scales
        K, number of resolutions of that term.

    Raises
    ------
    ValueError
        If a parameter is out of range.

    .. note:: The median is the lower of two middle values. Differences between neighbours count
       if both are valid, and each resolution has its own number :math:`M_k` of valid pixels. An
       image without a valid pixel does not count. A constant map is aligned to zeros.

    Examples
    --------
    >>> target = torch.rand(2, 8, 8) + 0.1
    >>> loss = ScaleShiftInvariantLoss()
    >>> loss(3 * target + 5, target).item() < 1e-5
    True
    """

    def __init__(self, trim: float = 0.2, gradient_weight: float = 0.5, scales: int = 4):
        super().__init__()
        if not 0 <= trim < 1:
            raise ValueError(f'Expected trim in [0, 1), got {trim}.')
        if not gradient_weight >= 0:
            raise ValueError(f'Expected a gradient_weight of at least 0, got {gradient_weight}.')
        if scales < 1:
            raise ValueError(f'Expected scales of at least 1, got {scales}.')
        self.trim, self.gradient_weight, self.scales = trim, gradient_weight, scales

    def forward(self, prediction: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the loss; gradients reach the prediction only.

        Parameters
        ----------
        prediction
            Disparities up to scale and shift, shape (B, H, W).
        target
            True disparities, shape (B, H, W).
        mask
            Which pixels are valid, shape (B, H, W), boolean; None takes those above zero.

        Returns
        -------
        Tensor
            Scalar; a differentiable 0 if no pixel is valid.

        Raises
        ------
        ValueError
            If the shapes do not fit.
        """
        mask = check_maps(prediction, target, mask)
        residual = _normalise(prediction, mask) - _normalise(target.detach(), mask)
        losses = self._trimmed(residual, mask)
        if self.gradient_weight:
            for scale in range(self.scales):
                step = 2 ** scale
                losses = losses + self.gradient_weight * _edges(
                    residual[:, ::step, ::step], mask[:, ::step, ::step])
        return losses.sum() / mask.flatten(1).any(1).sum().clamp(min=1)

    def extra_repr(self) -> str:
        """Return the parameters, for `print`."""
        return f'trim={self.trim}, gradient_weight={self.gradient_weight}, scales={self.scales}'

    def _trimmed(self, residual: Tensor, mask: Tensor) -> Tensor:
        """Return the data term of each image, shape (B,)."""
        errors = residual.flatten(1).abs()
        count = mask.flatten(1).sum(1)
        kept = count - (self.trim * count).floor().long()
        # Invalid pixels last; what is not kept gets no gradient.
        ordered = errors.masked_fill(~mask.flatten(1), torch.inf).sort(1).values
        keep = torch.arange(errors.size(1), device=errors.device) < kept[:, None]
        return ordered.masked_fill(~keep, 0).sum(1) / (2 * count.clamp(min=1))


def check_maps(prediction: Tensor, target: Tensor, mask: Tensor | None) -> Tensor:
    """Return the mask of valid pixels: `mask`, or where the target is above zero.

    Raises
    ------
    ValueError
        If the shapes are not (B, H, W), all the same, or the mask is not boolean.
    """
    mask = target > 0 if mask is None else mask
    if prediction.ndim != 3 or not prediction.shape == target.shape == mask.shape:
        raise ValueError('Expected prediction, target and mask of one shape (B, H, W), got '
                         f'{tuple(prediction.shape)}, {tuple(target.shape)} and '
                         f'{tuple(mask.shape)}.')
    if mask.dtype != torch.bool:
        raise ValueError(f'Expected a boolean mask, got {mask.dtype}.')
    return mask


def _normalise(maps: Tensor, mask: Tensor) -> Tensor:
    """Return maps of median 0 and mean absolute value 1 over the valid pixels, 0 elsewhere."""
    values, valid = maps.flatten(1), mask.flatten(1)
    median = values.masked_fill(~valid, torch.nan).nanmedian(1, keepdim=True).values.nan_to_num()
    centred = (values - median).masked_fill(~valid, 0)
    spread = centred.abs().sum(1, keepdim=True) / valid.sum(1, keepdim=True).clamp(min=1)
    return (centred / spread.clamp(min=_SMALLEST_SCALE)).view_as(maps)


def _edges(residual: Tensor, mask: Tensor) -> Tensor:
    """Return the mean absolute difference of neighbours for each image, shape (B,)."""
    across = residual.diff(dim=2).abs() * (mask[:, :, 1:] & mask[:, :, :-1])
    down = residual.diff(dim=1).abs() * (mask[:, 1:] & mask[:, :-1])
    total = across.sum((1, 2)) + down.sum((1, 2))
    return total / mask.sum((1, 2)).clamp(min=1)
