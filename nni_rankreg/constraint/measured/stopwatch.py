"""Milliseconds of a call, on a processor or a GPU."""

from __future__ import annotations

import time
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
        self._options: dict[str, Any] = {}
        if device.type == 'cuda':
            self.clock, self._time = 'events of the GPU', self._events
        else:
            one = device.type == 'cpu' and threads == 1
            self.clock, self._time = 'processor time' if one else 'wall clock', self._timer
            self._options = {'timer': time.thread_time} if one else {}

    def __call__(self, run: Callable[[], Any]) -> float:
        """Return the milliseconds of a call; of a short one, the mean of the best block."""
        one = self._time(run, 1)
        if one >= _BLOCK:
            return one
        number = round(_BLOCK / max(one, _BLOCK / 1000))
        return min(self._time(run, number) for _ in range(_BLOCKS))

    def _timer(self, run: Callable[[], Any], number: int) -> float:
        from torch.utils.benchmark import Timer  # it takes a fifth of a second

        timer = Timer('run()', globals={'run': run}, num_threads=self.threads, **self._options)
        return 1e3 * timer.timeit(number).mean         # which warms up, and waits for the device

    def _events(self, run: Callable[[], Any], number: int) -> float:
        with torch.cuda.device(self.device):
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            run()
            run()
            start.record()
            for _ in range(number):
                run()
            end.record()
            end.synchronize()
        return start.elapsed_time(end) / number
