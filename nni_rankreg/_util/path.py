"""Paths as people write them."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ['user_path']


def user_path(path: str | os.PathLike[str]) -> Path:
    """Return a path of the user, with ``~`` and ``$HOME`` as a shell reads them.

    Every path that a user may give passes here once: in Python and in files no shell has seen it.

    Parameters
    ----------
    path
        May begin with ``~`` or ``~user`` and hold variables of the environment; one that is not
        set stays as it is.

    Examples
    --------
    >>> user_path('~/results.csv') == user_path('$HOME/results.csv') == Path.home() / 'results.csv'
    True
    >>> str(user_path('runs/search.sqlite'))
    'runs/search.sqlite'
    """
    return Path(os.path.expanduser(os.path.expandvars(path)))
