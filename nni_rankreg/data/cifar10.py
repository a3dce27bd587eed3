"""CIFAR-10 from a folder of the user, in either of two layouts; nothing is downloaded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .._util.path import user_path
from .image_file import read_image

__all__ = ['check_cifar10', 'load_cifar10']

_IMAGES = 2_000  # of a montage, in 40 rows of 50
_LAYOUTS = ('cifar10/train_y.npy with cifar10/train_00.webp ..., or cifar-10-batches-py as '
            'torchvision unpacks it')


def check_cifar10(data: Path) -> None:
    """Raise a FileNotFoundError that says what is expected if CIFAR-10 is not in a folder."""
    data = user_path(data)
    if not (_is_montage(data) or (data / 'cifar-10-batches-py').is_dir()):
        raise FileNotFoundError(f'Expected CIFAR-10 in {data}: {_LAYOUTS}, got neither.')


def load_cifar10(data: Path, start: int, count: int, pixels: int) -> tuple[Tensor, Tensor]:
    """Return normalised images of CIFAR-10, (N, 3, `pixels`, `pixels`), and their labels.

    The 50,000 of the training set come first, then those of the test set. Their order is that of
    the files, which is another one in each layout.

    Parameters
    ----------
    data
        Folder with ``cifar10/train_00.webp ...``, lossless montages of 2,000 images in 40 rows,
        and ``cifar10/train_y.npy``, the labels, with ``test_...`` where these are asked for; or
        with ``cifar-10-batches-py`` as torchvision unpacks it.
    start, count
        Which images.
    pixels
        Height and width, at most 32.

    Raises
    ------
    FileNotFoundError, ValueError
        If the folder has neither, or a damaged or smaller data set.
    """
    data = user_path(data)
    check_cifar10(data)
    read = _read_montages if _is_montage(data) else _read_batches
    arrays = read(data, start, count)
    if len(arrays[0]) < count:
        raise ValueError(f'Expected images {start} to {start + count} of CIFAR-10 in {data}, got '
                         f'{len(arrays[0])} of them.')
    images = torch.from_numpy(arrays[0]).float() / 255
    labels = torch.from_numpy(arrays[1]).long()
    mean, std = torch.tensor([[.4914, .4822, .4465], [.2470, .2435, .2616]])[:, :, None, None]
    return F.interpolate((images - mean) / std, size=pixels, mode='area'), labels


Arrays = tuple[np.ndarray, np.ndarray]


def _is_montage(data: Path) -> bool:
    return (data / 'cifar10' / 'train_y.npy').exists()


def _read_montages(data: Path, start: int, count: int) -> Arrays:
    """Return bytes (N, 3, 32, 32) and labels, reading no file in vain."""
    files, labels = [], []
    for split in ('train', 'test'):
        path = data / 'cifar10' / f'{split}_y.npy'
        labels.append(np.load(path, allow_pickle=False) if path.exists() else np.empty(0, np.uint8))
        files += [path.with_name(f'{split}_{number:02}.webp')
                  for number in range(len(labels[-1]) // _IMAGES)]
    chosen = files[start // _IMAGES:-(-(start + count) // _IMAGES)]
    tiles = [np.asarray(read_image(file)).reshape(40, 32, 50, 32, 3)
             .transpose(0, 2, 4, 1, 3).reshape(-1, 3, 32, 32) for file in chosen]
    part = slice(start % _IMAGES, start % _IMAGES + count)
    images = np.concatenate([np.empty((0, 3, 32, 32), np.uint8), *tiles])[part]
    return images, np.concatenate(labels)[start:start + count]


def _read_batches(data: Path, start: int, count: int) -> Arrays:
    """Return bytes (N, 3, 32, 32) and labels of the files that torchvision knows."""
    from torchvision.datasets import CIFAR10

    try:
        parts = [CIFAR10(str(data), train=train) for train in (True, False)]
    except RuntimeError as error:
        raise ValueError(f'Expected CIFAR-10 in {data}, got: {error}') from error
    images = np.concatenate([part.data for part in parts])[start:start + count]
    labels = np.concatenate([part.targets for part in parts])[start:start + count]
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)), labels
