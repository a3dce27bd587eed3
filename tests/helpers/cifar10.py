"""Images of noise in the layout of the montages of CIFAR-10."""

from __future__ import annotations

import numpy as np
from PIL import Image


def write_montages(folder, random):
    """Write the files of all 60,000 images, of which each file has the same 2,000.

    Parameters
    ----------
    folder
        Is made.
    random
        NumPy's generator.
    """
    folder.mkdir()
    classes = random.integers(10, size=2_000).astype(np.uint8)
    tiles = 20 * classes[:, None, None, None] + random.integers(60, size=(2_000, 32, 32, 3))
    montage = tiles.reshape(40, 50, 32, 32, 3).transpose(0, 2, 1, 3, 4).reshape(1280, 1600, 3)
    first = folder / 'train_00.webp'
    Image.fromarray(montage.astype(np.uint8)).save(first, lossless=True, method=0)
    for name in [*(f'train_{number:02}' for number in range(1, 25)),
                 *(f'test_{number:02}' for number in range(5))]:
        (folder / f'{name}.webp').hardlink_to(first)
    np.save(folder / 'train_y.npy', np.tile(classes, 25))
    np.save(folder / 'test_y.npy', np.tile(classes, 5))
