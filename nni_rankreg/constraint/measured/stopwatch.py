"""Milliseconds of a call, on a processor or a GPU."""

from __future__ import annotations

import time
import timeit
from collections.abc import Callable
from typing import Any

import torch

__all__ = ['Stopwatch']

_BLOCK = 2.  # milliseconds of calls that are timed as one; a longer call is timed by itself
_BLOCKS = 5


class Stopwatch:
    """Measures the milliseconds of a call, which is warmed up before.

    One thread is measured by its processor time: what else runs on the machine takes turns with it,
    and does not count. Several threads are measured by the clock on the wall, a GPU by its events.

    Parameters
    ----------
    device
        Where the call computes.
    threads
        Of PyTorch, on the CPU.

    Attributes
    ----------
    clock
        What is read, in words.

    Examples
    --------
    >>> stopwatch = Stopwatch(torch.device('cpu'), 1)
    >>> small, large = torch.zeros(9, 9), torch.zeros(900, 900)
    >>> stopwatch(lambda: small @ small) < stopwatch(lambda: large @ large)
    True
    """

    def __init__(self, device: torch.device, threads: int):
        self.device, self.threads = device, threads
        self._processor = device.type == 'cpu' and threads == 1
        if device.type == 'cuda':
            self.clock, self._time = 'events of the GPU', self._events
        else:
            self.clock = 'processor time' if self._processor else 'wall clock'
            self._time = self._calls

    def __call__(self, run: Callable[[], Any]) -> float:
        """Return the milliseconds of a call; of a short one, the mean of the best block."""
        self._time(run, 1)                          # which warms up
        one = self._time(run, 1)
        if one >= _BLOCK:
            return one
        number = round(_BLOCK / max(one, _BLOCK / 1000))
        return min(self._time(run, number) for _ in range(_BLOCKS))

    def _calls(self, run: Callable[[], Any], number: int) -> float:
        from torch.utils import benchmark  # it takes a fifth of a second

        clock = time.thread_time if self._processor else benchmark.timer  # waits for the device
        with benchmark.set_torch_threads(self.threads):
            return 1e3 * timeit.Timer(run, timer=clock).timeit(number) / number

    def _events(self, run: Callable[[], Any], number: int) -> float:
        with torch.cuda.device(self.device):
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            for _ in range(number):
                run()
            end.record()
            end.synchronize()
        return start.elapsed_time(end) / number
