"""A stopwatch that counts operations, so that times are known exactly."""

from __future__ import annotations

from torch.utils.flop_counter import FlopCounterMode


class Counter:
    """In place of a stopwatch: thousands of operations, as PyTorch counts them, and some more."""

    clock = 'operations'
    calls = 0
    last = 10 ** 9

    def __init__(self, *_):
        pass

    def __call__(self, run):
        Counter.calls += 1
        if Counter.calls > Counter.last:
            raise KeyboardInterrupt
        with FlopCounterMode(display=False) as counter:
            run()
        return counter.get_total_flops() / 2e3 + 1
