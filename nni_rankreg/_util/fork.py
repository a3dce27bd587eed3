"""Work that is divided among copies of this process, which share its memory."""

from __future__ import annotations

import ctypes
import multiprocessing
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

import torch

from .memory import keep_memory

__all__ = ['fork_map']

Item = TypeVar('Item')
Result = TypeVar('Result')

_PR_SET_PDEATHSIG = 1  # of <sys/prctl.h>
_CHUNKS = 32           # of each process, so that none waits long for the others

_work: list[Callable[[Any], Any]] = []  # of a process that was forked


def fork_map(compute: Callable[[Item], Result], items: Sequence[Item], processes: int,
             progress: Callable[[Iterable[Result]], Iterable[Result]] = iter) -> list[Result]:
    """Return ``compute(item)`` for each item, in order.

    Each process has one thread, and all that there is here at the moment: weights and data are
    neither sent nor copied. What `compute` changes is lost. Elsewhere than on Linux, where forking
    is safe for what computes on the CPU, this process does it all.

    Parameters
    ----------
    compute
        Computes on the CPU; its results are pickled.
    items
        Pickled.
    processes
        1 computes in this process, with all its threads.
    progress
        Goes through the results as they come.

    Raises
    ------
    RuntimeError
        If a process has been killed. What `compute` raises is raised here.

    Examples
    --------
    >>> fork_map(abs, [-1, 2, -3], processes=2)
    [1, 2, 3]
    """
    if min(processes, len(items)) <= 1 or sys.platform != 'linux':
        return list(progress(map(compute, items)))
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context('fork'), _start, (compute,))
    try:
        chunk = -(-len(items) // (processes * _CHUNKS))
        return list(progress(pool.map(_run, items, chunksize=chunk)))
    except BrokenProcessPool:
        raise RuntimeError(f'Expected {processes} processes to do the work, got one that was '
                           'killed, perhaps for want of memory. Use fewer.') from None
    finally:
        pool.shutdown(cancel_futures=True)


def _start(compute: Callable[[Any], Any]) -> None:
    _work[:] = [compute]
    torch.set_num_threads(1)  # at once: OpenMP hangs if its threads were used before the fork
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the first process, and it the others
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # nobody else would end them then
    keep_memory()


def _run(item: Any) -> Any:
    return _work[0](item)
