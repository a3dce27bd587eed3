"""Images in memory, where batches are cut and augmented as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import nni
import torch
import torch.nn.functional as F
from nni.nas.evaluator.pytorch import DataLoader
from sklearn.datasets import load_digits
from torch import Tensor
from torch.utils.data import Dataset

__all__ = ['ImageTensors', 'Digits', 'image_loader']

Batch = tuple[Tensor, Tensor]


class ImageTensors(Dataset):
    """Labelled images in memory, optionally augmented by random crop and horizontal flip.

    Batches are cut and augmented on the device of the images, by random numbers of the CPU.

    Parameters
    ----------
    images
        Shape (N, C, H, W), already normalised.
    labels
        Class indices, shape (N,), on the device of the images.
    padding
        Zero padding, in pixels, of the random crop; 0 crops nothing.
    flip
        Whether to flip half of the images horizontally.

    Raises
    ------
    ValueError
        If `images` is not 4-d or the numbers of images and labels differ.

    Examples
    --------
    >>> data = ImageTensors(torch.zeros(10, 3, 8, 8), torch.arange(10), padding=1, flip=True)
    >>> images, labels = data.__getitems__([2, 5])
    >>> images.shape, labels
    (torch.Size([2, 3, 8, 8]), tensor([2, 5]))
    """

    def __init__(self, images: Tensor, labels: Tensor, *, padding: int = 0, flip: bool = False):
        if images.ndim != 4 or len(images) != len(labels):
            raise ValueError('Expected images (N, C, H, W) with N labels, got images '
                             f'{tuple(images.shape)} and labels {tuple(labels.shape)}.')
        self.images, self.labels = images, labels
        self.padding, self.flip = padding, flip

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Batch:
        images, labels = self.__getitems__([index])
        return images[0], labels[0]

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """Return one batch, images (B, C, H, W) and labels (B,); DataLoader calls this."""
        index = self._moved(torch.as_tensor(indices))
        return self._augment(self.images[index]), self.labels[index]

    def _augment(self, images: Tensor) -> Tensor:
        count, _, height, width = images.shape
        if self.flip:
            flipped = self._moved(torch.rand(count) < 0.5)
            images = torch.where(flipped[:, None, None, None], images.flip(-1), images)
        if self.padding:
            padded = F.pad(images, [self.padding] * 4).permute(0, 2, 3, 1)
            top, left = self._moved(torch.randint(2 * self.padding + 1, (2, count, 1)))
            sample, row, column = (torch.arange(size, device=images.device)
                                   for size in (count, height, width))
            rows, columns = (top + row)[:, :, None], (left + column)[:, None, :]
            images = padded[sample[:, None, None], rows, columns].permute(0, 3, 1, 2)
        return images.contiguous()

    def _moved(self, tensor: Tensor) -> Tensor:
        """Return a tensor, drawn on the CPU, where the images are; a GPU is not waited for."""
        return tensor.to(self.images.device, non_blocking=True)


@nni.trace
class Digits(ImageTensors):
    """Scikit-learn's 1,797 real handwritten digits, 8x8, as three equal channels.

    Parameters
    ----------
    split
        ``'train'`` (897 images) or ``'validation'`` (900 images). The split is a fixed random
        permutation: the original order groups the images by writer.

    Raises
    ------
    ValueError
        If the split is unknown.

    Examples
    --------
    >>> len(Digits('train')), len(Digits('validation')), Digits('train').images.shape[1:]
    (897, 900, torch.Size([3, 8, 8]))
    """

    def __init__(self, split: str):
        if split not in ('train', 'validation'):
            raise ValueError(f"Expected split 'train' or 'validation', got {split!r}.")
        digits: Any = load_digits()
        order = torch.randperm(len(digits.images), generator=torch.Generator().manual_seed(0))
        order = order[:897] if split == 'train' else order[897:]
        images = torch.from_numpy(digits.images).float()[order, None] / 16
        super().__init__(((images - 0.305) / 0.376).repeat(1, 3, 1, 1),
                         torch.from_numpy(digits.target)[order])


def image_loader(dataset: Dataset, batch_size: int, *, shuffle: bool = False) -> DataLoader:
    """Return a loader, serialisable by NNI, that takes whole batches from an `ImageTensors`.

    Parameters
    ----------
    dataset
        Images in memory. For trials it must be serialisable itself, as `Digits` is.
    batch_size
        Images of a batch; an incomplete last batch is kept.
    shuffle
        Whether to draw a new order each epoch.

    Examples
    --------
    >>> images, labels = next(iter(image_loader(Digits('train'), 32)))
    >>> images.shape
    torch.Size([32, 3, 8, 8])
    """
    return DataLoader(dataset, batch_size=batch_size, shuffle=shuffle, collate_fn=_collate)


def _collate(batch: Batch) -> Batch:
    """Return what `ImageTensors.__getitems__` made: it is a batch already."""
    return batch
