"""Images with depth maps, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nni
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset

from .._util.npz import named_arrays
from .._util.path import user_path
from .image_file import read_image

__all__ = ['DepthImages']

Batch = tuple[Tensor, Tensor]

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of torchvision's weights
_IMAGES = ('.png', '.jpg', '.jpeg', '.webp')


@nni.trace
class DepthImages(Dataset):
    """Colour images with the disparity of each pixel; `image_loader` makes batches of them.

    Images are normalised as torchvision's weights expect it. Disparities are the inverse of depth
    in 1/m, 0 where the depth is unknown; a resized map holds measured values only.

    Parameters
    ----------
    path
        An ``.npz`` file with ``{split}_rgb``, uint8 (N, H, W, 3), and ``{split}_depth_mm``, uint16
        (N, H, W), 0 for unknown. Or a folder with ``{split}/image/NAME.jpg`` (or ``.png``) and
        ``{split}/depth/NAME.png`` of 16 bits in mm; the sizes may differ.
    split
        ``train``, ``val`` or whatever the data are divided into.
    size
        Height and width of images and maps.
    flip
        Whether to mirror half of the images.

    Raises
    ------
    ValueError
        If the file lacks the arrays of the split or they do not fit, or the folder has no pairs or
        an image without its depth map.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> np.savez(f'{folder.name}/scene.npz', val_rgb=np.zeros((5, 48, 64, 3), np.uint8),
    ...          val_depth_mm=np.full((5, 48, 64), 2000, np.uint16))
    >>> images, disparities = DepthImages(f'{folder.name}/scene.npz', 'val')[0]
    >>> images.shape, disparities.shape, disparities.unique()
    (torch.Size([3, 96, 128]), torch.Size([96, 128]), tensor([0.5000]))
    >>> folder.cleanup()
    """

    def __init__(self, path: str | Path, split: str, *, size: tuple[int, int] = (96, 128),
                 flip: bool = False):
        self.size, self.flip = (int(size[0]), int(size[1])), flip
        path = user_path(path)
        pairs = _read_archive(path, split) if path.is_file() else _read_folder(path, split)
        colours, depths = zip(*(self._resized(*pair) for pair in pairs))
        self.colours, self.depths = torch.stack(colours), torch.stack(depths)

    def _resized(self, colour: np.ndarray, depth: np.ndarray) -> Batch:
        """Return an image (H, W, 3), uint8, and its depth (H, W) in m."""
        image = torch.tensor(colour).permute(2, 0, 1)[None].float()
        metres = torch.tensor(depth.astype(np.float32) / 1000)[None, None]
        image = F.interpolate(image, self.size, mode='bilinear', antialias=True)
        return (image[0].permute(1, 2, 0).round().clamp(0, 255).byte(),
                F.interpolate(metres, self.size, mode='nearest-exact')[0, 0])

    def __len__(self) -> int:
        return len(self.colours)

    def __getitem__(self, index: int) -> Batch:
        images, disparities = self.__getitems__([index])
        return images[0], disparities[0]

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """Return one batch, images (B, 3, H, W) and disparities (B, H, W); DataLoader calls this.

        Images have the memory format channels_last, in which a CPU convolves them faster.
        """
        index = torch.as_tensor(indices)
        images = self.colours[index].float().div_(255)
        images = (images - torch.tensor(_MEAN)) / torch.tensor(_STD)
        depths = self.depths[index]
        disparities = torch.where(depths > 0, 1 / depths, 0.)
        if self.flip:
            flipped = torch.rand(len(index)) < 0.5
            images[flipped] = images[flipped].flip(2)
            disparities[flipped] = disparities[flipped].flip(2)
        return images.permute(0, 3, 1, 2), disparities


def _read_archive(path: Path, split: str) -> list[tuple[np.ndarray, np.ndarray]]:
    names = f'{split}_rgb', f'{split}_depth_mm'
    colours, depths = named_arrays(path, names).values()
    if colours.shape != (*depths.shape, 3) or not len(depths):
        raise ValueError(f'Expected images (N, H, W, 3) and depths (N, H, W) in {path}, got '
                         f'{colours.shape} and {depths.shape}.')
    return list(zip(colours, depths))


def _read_folder(path: Path, split: str) -> list[tuple[np.ndarray, np.ndarray]]:
    images = sorted(file for file in (path / split / 'image').glob('*')
                    if file.suffix.lower() in _IMAGES)
    if not images:
        raise ValueError(f'Expected an .npz file or a folder with {split}/image/*.jpg or *.png, '
                         f'got {path}.')
    maps = [path / split / 'depth' / f'{file.stem}.png' for file in images]
    for file in maps:
        if not file.exists():
            raise ValueError(f'Expected a depth map for each image, got none at {file}.')
    return [(np.asarray(read_image(image)), np.asarray(read_image(depth, mode=None)))
            for image, depth in zip(images, maps)]
