"""A trial, seen from NNI: it lets the warm process do the work, and ends as that has ended.

This is a script of the standard library, as each import would be one of each trial:
``python client.py SOCKET -m module arguments``.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys

__all__ = ['run']

_PERIOD = 5.  # seconds between two looks at the manager


def run(path: str, words: list[str], places: list[str]) -> int | None:
    """Return the exit status of a module that the warm process runs.

    A signal that has ended it ends this process, too: NNI tells that from a failure. If NNI's
    manager is killed, both end, as nobody would hear of a result.

    Parameters
    ----------
    path
        Of the socket; None is returned if there is no warm process behind it.
    words
        The module and its arguments.
    places
        What its `sys.path` begins with.
    """
    manager = os.getppid()
    task = {'words': words, 'places': places, 'environment': dict(os.environ),
            'folder': os.getcwd()}
    try:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(path)
        socket.send_fds(connection, [b'{'], [0, 1, 2])
        connection.sendall(json.dumps(task).encode()[1:] + b'\n')
        while not select.select([connection], [], [], _PERIOD)[0]:
            if os.getppid() != manager:
                return 1
        told = connection.recv(4)
    except OSError:      # also if it ends before it has read the task
        return None
    status = int.from_bytes(told, 'little', signed=True) if told else -signal.SIGKILL
    if status < 0:
        os.kill(os.getpid(), -status)
    return abs(status)


if __name__ == '__main__':
    found = run(sys.argv[1], sys.argv[3:], [os.getcwd()])
    if found is None:
        os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
    sys.exit(found)
