"""Several runs at a time, in processes of their own."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

import torch

from .._util.log import quiet_host
from .run import Run, Slice
from .training import train

__all__ = ['train_all']


def train_all(runs: Sequence[Run], time_slice: Slice, jobs: int) -> None:
    """Train what is left of some runs.

    Parameters
    ----------
    runs
        What to train, in this order.
    time_slice
        The time that there is.
    jobs
        Runs at a time; a single one is trained in this process.
    """
    if jobs == 1:
        for run in runs:
            _train(run, time_slice, torch.get_num_threads())
        return
    threads = max(1, torch.get_num_threads() // jobs)
    with ProcessPoolExecutor(jobs, multiprocessing.get_context('spawn')) as pool:
        futures = [pool.submit(_train, run, time_slice, threads) for run in runs]
        try:
            for future in futures:
                future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _train(run: Run, time_slice: Slice, threads: int) -> None:
    quiet_host()
    torch.set_num_threads(threads)
    if time_slice.left > 0:
        train(run, time_slice)
