"""NumPy archives from anywhere: the arrays that one needs, or one line on what is wrong."""

from __future__ import annotations

import os
import zipfile
import zlib

import numpy as np

from .error import one_line
from .path import user_path

__all__ = ['named_arrays']

_BROKEN = (ValueError, EOFError, KeyError, OSError, zipfile.BadZipFile, zlib.error,
           NotImplementedError, SyntaxError, MemoryError, RuntimeError)


def named_arrays(path: str | os.PathLike[str], names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Return the named arrays of an .npz file; pickled objects are refused.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no such archive, or lacks one of the arrays.
    """
    try:
        arrays = np.load(user_path(path), allow_pickle=False)
        if isinstance(arrays, np.ndarray):
            raise ValueError('a single array')
        with arrays:
            missing = [name for name in names if name not in arrays.files]
            if not missing:
                return {name: arrays[name] for name in names}
            found = arrays.files
    except FileNotFoundError:
        raise
    except _BROKEN as error:
        raise ValueError(f'Expected a NumPy archive (.npz), got {path}: '
                         f'{one_line(error)}') from error
    raise ValueError(f'Expected the arrays {names} in {path}, got {found}.')
