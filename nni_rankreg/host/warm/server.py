"""The warm process: it imports what trials import, and each trial is a fork of it.

NNI itself is imported by the fork: it looks at the environment of its trial when it is imported.

    python -m nni_rankreg.host.warm.server SOCKET
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import random
import runpy
import select
import signal
import socket
import sys
import threading
import traceback
from contextlib import suppress
from typing import Any

__all__ = ['serve']

_IMPORTED = ('torch', 'pytorch_lightning', 'torchmetrics', 'torchvision', 'pandas', 'scipy.stats',
             'sklearn.gaussian_process', 'sklearn.ensemble', 'torch_geometric.nn', 'jsonargparse',
             'matplotlib', 'cloudpickle', 'requests', 'websockets')
_LONGEST = 2 ** 16


def serve(path: str) -> None:
    """Fork a trial for each connection to a socket, until the standard input ends.

    Parameters
    ----------
    path
        Of the socket, in a folder of its own; both are removed in the end.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)      # nobody waits for the guards
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(256)                           # from now on trials wait for the imports
        for name in _IMPORTED:
            with suppress(ImportError):
                importlib.import_module(name)
        while True:
            ready, _, _ = select.select([listener, sys.stdin], [], [])
            if sys.stdin in ready:
                break
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _guard(connection)
            connection.close()
    os.unlink(path)
    os.rmdir(os.path.dirname(path))


def _guard(connection: socket.socket) -> None:
    """Fork a trial, and tell the client how that has ended: its exit status, or minus its signal.

    The trial goes on when the warm process has ended, as this is its parent.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    trial = os.fork()
    if trial == 0:
        _run(connection)
    _, status = os.waitpid(trial, 0)
    with suppress(OSError):                            # the client has been killed
        connection.sendall(os.waitstatus_to_exitcode(status).to_bytes(4, 'little', signed=True))
    os._exit(0)


def _run(connection: socket.socket) -> None:
    """Be a trial, and end."""
    status = 1
    try:
        os.setsid()
        task = _become(connection)
        threading.Thread(target=_die_with, args=[connection], daemon=True).start()
        module, *arguments = task['words']
        sys.argv = [module, *arguments]
        runpy.run_module(module, run_name='__main__', alter_sys=True)
        status = 0
    except SystemExit as end:
        status = _status(end)
    except BaseException:
        traceback.print_exc()
    _end(status)


def _become(connection: socket.socket) -> dict[str, Any]:
    """Take files, environment and folder of the client; return what it asks for."""
    text, files, _, _ = socket.recv_fds(connection, _LONGEST, 3)
    while not text.endswith(b'\n'):
        text += connection.recv(_LONGEST)
    task: dict[str, Any] = json.loads(text)
    for target, file in enumerate(files):
        os.dup2(file, target)
        os.close(file)
    os.environ.clear()
    os.environ.update(task['environment'])
    os.chdir(task['folder'])
    places = [*task['places'], *filter(None, os.environ.get('PYTHONPATH', '').split(os.pathsep))]
    sys.path[:] = [*places, *(place for place in sys.path if place not in ('', *places))]
    random.seed()
    if 'numpy' in sys.modules:
        sys.modules['numpy'].random.seed()             # each process draws anew, forks do not
    return task


def _die_with(connection: socket.socket) -> None:
    """End all processes of the trial when the client has ended: NNI has killed it."""
    connection.recv(1)
    os.killpg(os.getpid(), signal.SIGKILL)


def _status(end: SystemExit) -> int:
    """Return the exit status that Python has for a SystemExit."""
    if end.code is None or isinstance(end.code, int):
        return (end.code or 0) & 0xff
    sys.stderr.write(f'{end.code}\n')
    return 1


def _end(status: int) -> None:
    """End as Python does: after other threads, what is registered, and all output."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


if __name__ == '__main__':
    serve(sys.argv[1])
