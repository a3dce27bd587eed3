"""Image files, or one line on what is wrong with one."""

from __future__ import annotations

import os

from PIL import Image

from .._util.error import one_line

__all__ = ['read_image']


def read_image(path: str | os.PathLike[str], mode: str | None = 'RGB') -> Image.Image:
    """Return a whole image in memory.

    Parameters
    ----------
    path
        The file.
    mode
        Of the result, as Pillow names it; None is that of the file.

    Raises
    ------
    ValueError
        If the file is cut, damaged or no image; naming it.
    """
    try:
        with Image.open(path) as image:
            image.load()
            return image if mode is None else image.convert(mode)
    except Exception as error:  # of the many kinds that a damaged file leads to
        raise ValueError(f'Expected an image in {path}, got: {one_line(error)}.') from error
