"""Images in folders, such as ImageNet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nni
from torch import Generator, Tensor, randperm  # a global `torch` beside `.classes`: no pickle
from torch.utils.data import Dataset
from torchvision import transforms
from torchvision.datasets import ImageFolder

from .._util.path import user_path
from .image_file import read_image

__all__ = ['FolderImages']

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of the colours of ImageNet


@nni.trace
class FolderImages(Dataset):
    """A random part of a folder of images, which has a folder for each class, such as ImageNet.

    Images are read from disk; use ``nni.nas.evaluator.pytorch.DataLoader`` with as many
    ``num_workers`` as there are cores. Parts that do not overlap have no image in common.

    Parameters
    ----------
    root
        Folder of the folders of the classes, for example ``imagenet/train``.
    pixels
        Side of the images.
    augment
        Crop and scale at random and flip half of the images, for training; otherwise the middle
        is taken, 7/8 of the shorter side.
    jitter
        Brightness, contrast, saturation and hue of a random change of the colours; of training.
    part
        From which share of the shuffled images to which: ``(0, 0.15)`` is 15 % of them, which are
        different ones than those of ``(0.15, 0.2)``.
    seed
        Of the shuffling. It is the same in each process; augmentation draws from torch's
        generator.

    Attributes
    ----------
    classes
        Names of the classes, in the order of their indices.

    Raises
    ------
    ValueError
        If the part holds no images; on reading, if a file is cut or no image, naming it.

    Examples
    --------
    >>> # training = FolderImages('imagenet/train', augment=True, part=(0, 0.15))
    >>> # validation = FolderImages('imagenet/train', part=(0.15, 0.2))
    >>> # DataLoader(training, batch_size=256, shuffle=True, num_workers=8)
    """

    def __init__(self, root: str | Path, *, pixels: int = 224, augment: bool = False,
                 jitter: tuple[float, float, float, float] | None = None,
                 part: tuple[float, float] = (0., 1.), seed: int = 0):
        self.folder = ImageFolder(str(user_path(root)), _transform(pixels, augment, jitter),
                                  loader=read_image)
        self.classes: list[str] = self.folder.classes
        order = randperm(len(self.folder), generator=Generator().manual_seed(seed))
        start, end = (round(share * len(order)) for share in part)
        self.indices = order[start:end].tolist()
        if not 0 <= start < end <= len(order):
            raise ValueError('Expected a part (from, to) with 0 <= from < to <= 1 that holds an '
                             f'image, got {part} of {len(order)} images in {root}.')

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.folder[self.indices[index]]


def _transform(pixels: int, augment: bool, jitter: Sequence[float] | None) -> transforms.Compose:
    if augment:
        steps = [transforms.RandomResizedCrop(pixels), transforms.RandomHorizontalFlip()]
        steps += [transforms.ColorJitter(*jitter)] if jitter else []
    else:
        steps = [transforms.Resize(round(pixels * 8 / 7)), transforms.CenterCrop(pixels)]
    return transforms.Compose([*steps, transforms.ToTensor(), transforms.Normalize(_MEAN, _STD)])
