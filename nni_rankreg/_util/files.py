"""Files that are complete at any time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ['replaced_file']


@contextmanager
def replaced_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield where to write a file that takes the place of another when it is complete.

    If the writing fails or is killed, there is the old file, or none, as before.

    Parameters
    ----------
    path
        The file to write or to replace; its folder is there.

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
    yield part
    os.replace(part, path)
