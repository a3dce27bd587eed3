"""A process that writes until it is killed."""

from __future__ import annotations

import itertools
import multiprocessing
import signal
from contextlib import suppress


def acknowledged(write, count):
    """Let a process write until it is killed, and return how many writes it has acknowledged.

    Parameters
    ----------
    write
        Is called with 0, 1, 2, ..., and has written when it returns.
    count
        Number of acknowledged writes after which the process is killed; it may be quicker.
    """
    context = multiprocessing.get_context('fork')
    receiver, sender = context.Pipe(duplex=False)

    def write_on():
        for number in itertools.count():
            write(number)
            sender.send(number + 1)

    process = context.Process(target=write_on)
    process.start()
    sender.close()
    for _ in range(count):
        found = receiver.recv()
    process.kill()
    with suppress(EOFError):
        while True:
            found = receiver.recv()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    return found
