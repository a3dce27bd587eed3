"""How far predicted disparities are from the truth, up to a scale and a shift of each image."""

from __future__ import annotations

import torch
from torch import Tensor

from ..loss.depth import check_maps

__all__ = ['align_least_squares', 'aligned_rmse', 'aligned_delta']


def align_least_squares(prediction: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
    r"""Return the predictions in scale and shift of the truth, by least squares for each image.

    .. math:: (s, t) = \arg\min_{s, t} \sum_i (s\, d_i + t - d_i^*)^2

    over the valid pixels. Source: Ranftl et al., "Towards Robust Monocular Depth Estimation",
    TPAMI 2020, Eq. 2 to 4.

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
        s d + t for all pixels, shape (B, H, W), float64; the mean of the truth for a prediction
        that is constant.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Examples
    --------
    >>> target = torch.tensor([[[1., 2.], [4., 0.]]])                # one pixel is invalid
    >>> align_least_squares(-3 * target + 7, target).round(decimals=6).tolist()
    [[[1.0, 2.0], [4.0, 0.0]]]
    """
    mask = check_maps(prediction, target, mask)
    predicted, truth, valid = (one.flatten(1).double() for one in (prediction, target, mask))
    inside = valid.bool()
    count = valid.sum(1, keepdim=True).clamp(min=1)
    means = [one.masked_fill(~inside, 0).sum(1, keepdim=True) / count
             for one in (predicted, truth)]
    centred, true = (
        (one - mean).masked_fill(~inside, 0) for one, mean in zip((predicted, truth), means))
    variance = centred.square().sum(1, keepdim=True)
    # Below the rounding of float32 inputs a prediction counts as constant.
    constant = variance <= count * (1e-7 * means[0].abs()).square()
    scale = torch.where(constant, 0., (centred * true).sum(1, keepdim=True)
                        / torch.where(constant, 1., variance))
    return (scale * (predicted - means[0]) + means[1]).view_as(prediction)


def aligned_rmse(prediction: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the root of the mean squared error of each image after `align_least_squares`.

    Parameters and errors are those of `align_least_squares`.

    Returns
    -------
    Tensor
        Shape (B,), float64, in the unit of the truth; NaN for an image without a valid pixel.

    Examples
    --------
    >>> target = torch.tensor([[[1., 2.], [4., 5.]]])
    >>> aligned_rmse(torch.zeros(1, 2, 2), target)                   # the mean is 3
    tensor([1.5811], dtype=torch.float64)
    """
    mask = check_maps(prediction, target, mask)
    errors = (align_least_squares(prediction, target, mask) - target).masked_fill(~mask, 0)
    return (errors.square().sum((1, 2)) / mask.sum((1, 2))).sqrt()


def aligned_delta(prediction: Tensor, target: Tensor, mask: Tensor | None = None, *,
                  threshold: float = 1.25) -> Tensor:
    r"""Return the share of pixels of each image whose depth is right up to a factor.

    .. math:: \delta = \frac1M \left|\left\{ i : \max\left(\frac{d_i}{d_i^*},
              \frac{d_i^*}{d_i}\right) < \tau \right\}\right|

    after `align_least_squares`, whose parameters and errors it shares; a predicted disparity that
    is not above zero is wrong. Depth is the inverse of disparity, so the ratio is that of depths.

    Parameters
    ----------
    prediction, target, mask
        See `align_least_squares`.
    threshold
        Factor :math:`\tau`, above 1.

    Returns
    -------
    Tensor
        Shape (B,), float64, in [0, 1]; NaN for an image without a valid pixel.

    Raises
    ------
    ValueError
        If the shapes do not fit or the threshold is not above 1.

    Examples
    --------
    >>> target = torch.tensor([[[1., 2.], [4., 5.]]])
    >>> aligned_delta(torch.zeros(1, 2, 2), target, threshold=1.4)   # the mean is 3
    tensor([0.2500], dtype=torch.float64)
    """
    if not threshold > 1:
        raise ValueError(f'Expected a threshold above 1, got {threshold}.')
    mask = check_maps(prediction, target, mask)
    aligned = align_least_squares(prediction, target, mask)
    right = (aligned > 0) & (aligned < threshold * target) & (target < threshold * aligned)
    return (right & mask).sum((1, 2)).double() / mask.sum((1, 2))
