"""Picture of depth maps: image, truth, predictions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.figure import Figure
from torch import Tensor

from ..metric.depth import align_least_squares, aligned_rmse
from .style import FAINT, INK, save

__all__ = ['depth_maps']


def depth_maps(path: str | Path, images: npt.ArrayLike, targets: Tensor,
               predictions: Mapping[str, Tensor]) -> None:
    """Draw images beside their true disparities and predicted ones, a row for each image.

    Predictions are shown in scale and shift of the truth, near is bright; the truth is grey where
    it is unknown.

    Parameters
    ----------
    path
        File to write: ``.png``, ``.pdf`` or ``.svg``; its folder is made if need be.
    images
        Shape (B, H, W, 3), from 0 to 1, or bytes.
    targets
        True disparities, shape (B, H, W), 0 where unknown.
    predictions
        Disparities up to scale and shift by the name of each network, shape (B, H, W).

    Raises
    ------
    ValueError
        If there is no image or no prediction, or the shapes do not fit.

    Examples
    --------
    >>> import tempfile
    >>> images, truth = np.zeros((1, 8, 8, 3)), torch.rand(1, 8, 8) + 0.1
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     depth_maps(f'{folder}/maps.png', images, truth, {'network': truth.sqrt()})
    """
    save(_depth_figure(np.asarray(images), targets, predictions), path)


def _depth_figure(images: npt.NDArray, targets: Tensor,
                  predictions: Mapping[str, Tensor]) -> Figure:
    if not predictions or not len(targets) or images.shape != (*targets.shape, 3):
        raise ValueError('Expected images (B, H, W, 3), targets (B, H, W) and a prediction, got '
                         f'{images.shape}, {tuple(targets.shape)} and {list(predictions)}.')
    aligned = {name: align_least_squares(one, targets).detach()
               for name, one in predictions.items()}
    errors = {name: aligned_rmse(one, targets).tolist() for name, one in predictions.items()}
    figure = Figure((2.2 * (2 + len(aligned)), 1.1 + 1.8 * len(targets)), 150,
                    layout='constrained')
    axes = figure.subplots(len(targets), 2 + len(aligned), squeeze=False)
    for row, (cells, truth) in enumerate(zip(axes, targets)):
        known = truth > 0
        limits = dict(vmin=truth[known].min().item(), vmax=truth[known].max().item()) if (
            known.any()) else {}
        cells[0].imshow(images[row])
        cells[1].set_facecolor(FAINT)
        cells[1].imshow(truth.double().masked_fill(~known, torch.nan), cmap='magma', **limits)
        for ax, name in zip(cells[2:], aligned):
            ax.imshow(aligned[name][row], cmap='magma', **limits)
            ax.set_xlabel(f'RMSE {errors[name][row]:.3f} 1/m', fontsize=8, color=INK)
    for ax, title in zip(axes[0], ['image', 'truth', *aligned]):
        ax.set_title(title, fontsize=10, color=INK, parse_math=False)
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])
    return figure
