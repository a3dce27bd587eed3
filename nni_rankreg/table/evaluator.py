"""Evaluators of NNI that look results up instead of training."""

from __future__ import annotations

import functools
import os
import time

import nni
from nni.nas.evaluator import Evaluator
from nni.nas.space import ExecutableModelSpace

from .._util.path import user_path
from ..typing import Sample
from .reader import Decode
from .tabular import TabularBenchmark

__all__ = ['LookupEvaluator', 'TableEvaluator']


class LookupEvaluator(Evaluator):
    """Evaluates architectures by looking them up; a subclass says where.

    Parameters
    ----------
    delay
        Seconds that each evaluation waits, in place of a training.

    Raises
    ------
    ValueError
        If the delay is negative.
    """

    def __init__(self, delay: float = 0.):
        if delay < 0:
            raise ValueError(f'Expected a delay of at least 0 seconds, got {delay}.')
        self.delay = delay

    def lookup(self, sample: Sample) -> float:
        """Return the metric of an architecture."""
        raise NotImplementedError

    def _execute(self, model: ExecutableModelSpace) -> float:
        """Return, and report to NNI inside a trial, the metric of the sampled architecture."""
        if model.sample is None:
            raise ValueError('Expected a model frozen to one architecture, got a space.')
        metric = self.lookup(model.sample)
        time.sleep(self.delay)
        if nni.get_current_parameter() is not None:
            nni.report_final_result(metric)
        return metric


@nni.trace
class TableEvaluator(LookupEvaluator):
    """Evaluates architectures by looking them up, so that any strategy of NNI runs on a table.

    Parameters
    ----------
    path
        A CSV file that `TabularBenchmark.from_csv` reads.
    column, decode
        See `TabularBenchmark.from_csv`.
    delay
        Seconds that each evaluation waits, in place of a training.

    Raises
    ------
    ValueError
        If the file is no table or the delay negative; on evaluating, `UnknownArchitectureError`
        if the table lacks the architecture.
    """

    def __init__(self, path: str, *, column: str | None = None, decode: Decode | None = None,
                 delay: float = 0.):
        super().__init__(delay)
        modified = os.stat(user_path(path)).st_mtime_ns   # a file that was rewritten is read again
        self._table = _cached_table(path, column, decode, modified)

    def lookup(self, sample: Sample) -> float:
        """Return the metric of an architecture, the mean over the columns."""
        return float(self._table([sample])[0])


@functools.lru_cache(maxsize=4)
def _cached_table(path: str, column: str | None, decode: Decode | None, modified: int
                  ) -> TabularBenchmark:
    return TabularBenchmark.from_csv(path, column=column, decode=decode)
