"""Proxies of the Jacobian: whether images change the output in different directions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..batch_norm import batch_statistics
from .checks import differentiable, explained, one_tensor
from .state import Batch, ProxyError, only_trainable

__all__ = ['jacov', 'epe_nas']

_EPSILON = 1e-5
_MANY_CLASSES = 100


def jacov(network: nn.Module, batch: Batch) -> float:
    r"""Return :math:`-\sum_i \ln(v_i + \epsilon) + 1 / (v_i + \epsilon)`, at most -B.

    v are the eigenvalues of the correlations between the images' Jacobians, that is the gradients
    of the sum of the outputs with respect to each image, and epsilon is 1e-5. Scores compare only
    at one batch size B. Also called jacob_cov.
    Source: Mellor et al., "Neural Architecture Search without Training", 2020 (arXiv version 1).

    Parameters
    ----------
    network
        A stand-alone network with its initial weights. It is left as it was found.
    batch
        Images (B, C, H, W) and labels, which are not used; B at least 2.

    Returns
    -------
    float
        NaN if the output does not depend on an image.

    Raises
    ------
    ProxyError
        If there are fewer than 2 images, or they are integers such as tokens.

    Examples
    --------
    >>> images = torch.eye(4).view(4, 1, 2, 2)
    >>> jacov(nn.Flatten(), (images, torch.arange(4)))     # constant: no correlation is defined
    nan
    """
    if len(batch[0]) < 2:
        raise ProxyError('Expected at least 2 images, whose Jacobians correlate, got '
                         f'{len(batch[0])}.')
    correlations = _correlations(_jacobians(network, batch)[0])
    if not torch.isfinite(correlations).all():
        return float('nan')
    # Symmetric, so real: a general solver may return complex eigenvalues.
    values = torch.linalg.eigvalsh(correlations).clamp(min=0) + _EPSILON
    return -(values.log() + 1 / values).sum().item()


def epe_nas(network: nn.Module, batch: Batch) -> float:
    r"""Return how the images' Jacobians correlate within the classes of a batch.

    .. math:: \sum_c \big| s_c \big|, \qquad
              s_c = \sum_{n,m \in c} \ln(|\mathrm{corr}(J_n, J_m)| + 10^{-5})

    With more than 100 outputs, as published, s is divided by the number of images of the class,
    and the score is the mean, over the classes of the batch, of :math:`\sum_{c'} |s_c - s_{c'}|`.
    Source: Lopes et al., "EPE-NAS: Efficient Performance Estimation Without Training for Neural
    Architecture Search", ICANN 2021.

    Parameters
    ----------
    network
        See `jacov`.
    batch
        Images (B, C, H, W) and class indices (B,); some class must have two images.

    Raises
    ------
    ProxyError
        If no class occurs twice, as there is nothing to correlate then, or if the images are
        integers such as tokens.
    """
    labels = batch[1]
    if labels.ndim != 1 or labels.is_floating_point():
        raise ProxyError('Expected class indices (B,), got labels of shape '
                         f'{tuple(labels.shape)} and {labels.dtype}.')
    classes = [torch.nonzero(labels == label).flatten() for label in labels.unique()]
    if all(len(rows) < 2 for rows in classes):
        raise ProxyError('Expected class indices (B,) of which at least one occurs twice, got '
                         f'labels {labels.tolist()}: take a larger batch.')
    jacobians, outputs = _jacobians(network, batch)
    sums = []
    for rows in classes:
        logs = (_correlations(jacobians[rows]).abs() + _EPSILON).log().sum()
        sums.append(logs / len(rows) if outputs > _MANY_CLASSES else logs)
    scores = torch.stack(sums)
    if outputs > _MANY_CLASSES:
        return ((scores[:, None] - scores).abs().sum() / len(scores)).item()
    return scores.abs().sum().item()


def _jacobians(network: nn.Module, batch: Batch) -> tuple[Tensor, int]:
    """Return one row for each image, (B, pixels), and the number of outputs."""
    images = differentiable(batch[0]).detach().clone().requires_grad_()
    with batch_statistics(network), only_trainable(network):
        with explained(network, images):
            outputs = one_tensor(network(images))
        gradient, = torch.autograd.grad(outputs.sum(), images)
    return gradient.flatten(1).double(), outputs.shape[-1]


def _correlations(rows: Tensor) -> Tensor:
    """Return the correlation matrix; a single row correlates with itself."""
    return torch.corrcoef(rows).reshape(len(rows), len(rows))
