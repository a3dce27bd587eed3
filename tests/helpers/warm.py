"""A warm process without the imports that take seconds."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager

from .places import ROOT

COLD = ('import sys; from nni_rankreg.host.warm import server; '
        'server._IMPORTED = (); server.serve(sys.argv[1])')


@contextmanager
def serving(folder):
    """Start it, and end it as the end of its search does; the value is its socket."""
    path = folder / 'own' / 'socket'
    path.parent.mkdir()
    process = subprocess.Popen([sys.executable, '-c', COLD, str(path)], cwd=ROOT,
                               stdin=subprocess.PIPE)
    while not path.exists():
        assert process.poll() is None
        time.sleep(0.02)
    try:
        yield path
    finally:
        process.stdin.close()
        assert process.wait(20) == 0 and not path.parent.exists()
