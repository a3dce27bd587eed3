"""One warm process for the trials of a search on this machine."""

from __future__ import annotations

import functools
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

__all__ = ['warm_process', 'warm_python']


@functools.cache
def warm_process() -> str:
    """Return the socket of the warm process; the first call starts it.

    A trial takes seconds of import before it does anything. That process, see `server`, has
    imported what all of them import; it ends with this one. A trial that does not find it starts
    as any other.
    """
    folder = tempfile.mkdtemp(prefix='nni_rankreg-')   # for this user only, and so is the socket
    path = os.path.join(folder, 'trials')
    server = subprocess.Popen([sys.executable, '-m', f'{__package__}.server', path],
                              stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, start_new_session=True)
    _ends_with_this_process.append(server)
    return path


def warm_python() -> str:
    """Return what trials run in the place of Python, so that they are forks of `warm_process`.

    Returns
    -------
    For ``bash``, in front of ``-m module arguments``.
    """
    client = Path(__file__).with_name('client.py')
    return shlex.join([sys.executable, '-S', '-E', str(client), warm_process()])


_ends_with_this_process: list[subprocess.Popen[bytes]] = []  # it waits for the end of its input
