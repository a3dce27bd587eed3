"""A trial, seen from NNI: it lets the warm process do the work, and ends as that has ended.

This is a script of the standard library, as each import would be one of each trial:
``python client.py SOCKET -m module arguments``.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys

__all__ = ['main']


def main(path: str, words: list[str]) -> int:
    """Return the exit status of a module that the warm process runs.

    If there is no such process, this one becomes an ordinary Python.

    Parameters
    ----------
    path
        Of the socket.
    words
        ``-m``, the module, and its arguments.
    """
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(path)
    except OSError:
        os.execv(sys.executable, [sys.executable, *words])
    task = {'words': words[1:], 'environment': dict(os.environ), 'folder': os.getcwd()}
    socket.send_fds(connection, [b'{'], [0, 1, 2])
    connection.sendall(json.dumps(task).encode()[1:] + b'\n')
    status = connection.recv(1)
    if not status:      # it was killed, and so is this: NNI tells that from a failure
        os.kill(os.getpid(), signal.SIGKILL)
    return status[0]


if __name__ == '__main__':
    sys.exit(main(sys.argv[1], sys.argv[2:]))
