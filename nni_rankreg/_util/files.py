"""Files that are complete at any time."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .error import one_line

__all__ = ['replaced_file']


@contextmanager
def replaced_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield where to write a file that takes the place of another when it is complete.

    If the writing fails or is killed, there is the old file, or none, as before.

    Parameters
    ----------
    path
        The file to write or to replace; its folder is there.

    Raises
    ------
    OSError
        If it cannot be written, on a full disk for example; what was written of it is removed.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, 'results.txt')
    ...     with replaced_file(file) as part:
    ...         _ = part.write_text('all of them')
    ...         file.exists()
    ...     file.read_text()
    False
    'all of them'
    """
    part = Path(f'{os.fspath(path)}.part')
    try:
        yield part
        os.replace(part, path)
    except (OSError, RuntimeError) as error:  # PyTorch's writer knows no error of the disk
        part.unlink(missing_ok=True)
        if not part.parent.is_dir():
            raise FileNotFoundError(f'Expected the folder of {path}, got none.') from error
        free = shutil.disk_usage(part.parent).free // 2 ** 20
        raise OSError(f'Expected to write {path}, got: {one_line(error)[:200]}. There are {free} '
                      'MiB free; make room, and start again.') from error
    except BaseException:
        part.unlink(missing_ok=True)
        raise
