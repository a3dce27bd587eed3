"""Jobs on their way through an engine: waiting, running, and done."""

from __future__ import annotations

import logging
import math
import queue
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from nni.nas.execution.event import (
    FinalMetricEvent,
    IntermediateMetricEvent,
    TrainingEndEvent,
)
from nni.nas.space import ExecutableModelSpace

from ...plan import Failure, Job, SearchError, StandAlone, SuperNet, SuperNetOutcome
from .adapter import OVER, EngineAdapter, Event, LateResult, Stopped
from .supernet_job import SuperNetModelSpace

__all__ = ['Submission', 'outcome_of']

_logger = logging.getLogger(__name__)

_PERIOD = 0.5   # seconds between two looks at the workers
_PATIENCE = 5.  # seconds for a message of the manager that is on its way
_QUIET = 10.    # seconds without a message after which the manager is asked for its state


class Submission:
    """Jobs that are submitted together, and how far they are.

    Parameters
    ----------
    engine
        Runs their models.
    jobs
        Numbers and jobs.
    make_model
        Makes what a trial of a job executes.
    done
        Called with the number of a job and its outcome as soon as that is known.
    keep
        Called with a job of an earlier submission and its outcome, if it is none of these.

    .. note:: NNI 3.0 gives parameters to whichever trial asks first (see `TrialAdapter`), but
       names the end of a trial by the parameters it was meant to get. Which job has ended is
       therefore known by its final result only, and which have failed when all trials have
       ended.
    """

    def __init__(self, engine: EngineAdapter, jobs: Iterable[tuple[int, Job]],
                 make_model: Callable[[Job], ExecutableModelSpace],
                 done: Callable[[int, Any], None],
                 keep: Callable[[Job, Any], None] | None = None):
        self._engine, self._make_model, self._done, self._keep = engine, make_model, done, keep
        self._unanswered = dict(jobs)
        self._waiting = deque(self._unanswered)
        self._trials = 0  # that have not ended
        self._others = 0  # that have trained another job than one of these
        # NNI's engine keeps weak references, and hears of no end without the model.
        self._models: dict[int, tuple[ExecutableModelSpace, int, Job]] = {}
        self._events: queue.Queue[Event] = queue.Queue()

    def run(self) -> None:
        """Run the jobs, as many at a time as the engine has workers.

        Raises
        ------
        SearchError
            If the experiment has no budget left or the NNI manager is gone.
        """
        with self._engine.listening(self._hear):
            while self._waiting or self._trials:
                if self._waiting and self._events.empty() and self._engine.takes_models():
                    self._submit(self._waiting.popleft())
                else:
                    self._handle(self._next_event())
                if not (self._waiting or self._trials):
                    self._handle_late_results()
                    self._try_again()
            last = {number: model for model, number, _ in self._models.values()}
            for number in self._unanswered:
                self._done(number, self._engine.failure(last[number]))

    def _submit(self, number: int) -> None:
        job = self._unanswered[number]
        model = self._make_model(job)
        self._models[id(model)] = model, number, job
        self._trials += 1
        self._engine.submit(model, job)

    def _try_again(self) -> None:
        """Let as many jobs wait as have lost their trial to another job: the last ones, if any."""
        if self._others:
            self._waiting.extend(list(self._unanswered)[-self._others:])
            self._others = 0

    def _handle(self, event: Event | None) -> None:
        """Note what an event says; None says that there was none for a while."""
        if event is None:
            self._check_progress()
        elif isinstance(event, TrainingEndEvent):
            self._trials -= 1
        elif isinstance(event, LateResult):
            self._note_result(event.job, event.metric)
        elif isinstance(event, Stopped):
            self._note_stop(event.job)
        elif isinstance(event, FinalMetricEvent) and id(event.model) in self._models:
            self._note_result(self._models[id(event.model)][2], event.metric)

    def _note_result(self, job: Job, metric: Any) -> None:
        """Find the job whose result this is, which need not be that of the trial."""
        number = self._take(job)
        if number is not None:
            self._done(number, outcome_of(job, metric))
            return
        self._others += 1
        if self._keep is not None:
            self._keep(job, outcome_of(job, metric))

    def _note_stop(self, job: Job) -> None:
        number = self._take(job)
        if number is not None:
            self._done(number, Failure('The assessor of the experiment has stopped its trial.',
                                       tries=1))

    def _take(self, job: Job) -> int | None:
        """Return the number of a job that waits for its outcome, and let it wait no more."""
        number = next((number for number, waiting in self._unanswered.items()
                       if _same_work(waiting, job)), None)
        if number is not None:
            del self._unanswered[number]
            with suppress(ValueError):  # it has been submitted
                self._waiting.remove(number)
        return number

    def _hear(self, event: Event) -> None:
        """Pass an event on, in the thread of the engine, to where jobs are handled."""
        if isinstance(event, (FinalMetricEvent, IntermediateMetricEvent)):
            # NNI's default for both metrics keeps the default value only, and raises without one:
            # in the thread that listens to the manager, which then hears of no trial any more.
            event.prevent_default()
        if isinstance(event, IntermediateMetricEvent):
            _log_progress(event)
        else:
            self._events.put(event)

    def _next_event(self) -> Event | None:
        """Return the next event, None if it is quiet or a worker is free for a waiting job."""
        patience = time.monotonic() + _QUIET
        while time.monotonic() < patience:
            with suppress(queue.Empty):
                return self._events.get(timeout=_PERIOD)
            if self._waiting and self._engine.idle_worker_available():
                break
        return None

    def _handle_late_results(self) -> None:
        """Wait for final results that come a moment after the end of their trial."""
        patience = time.monotonic() + _PATIENCE
        while self._engine.late_results and self._unanswered and time.monotonic() < patience:
            with suppress(queue.Empty):
                self._handle(self._events.get(timeout=0.1))

    def _check_progress(self) -> None:
        """Raise if no trial will end any more; NNI takes more trials than it has budget for."""
        state = self._engine.state()
        if state in OVER and self._trials:
            time.sleep(_PATIENCE)
        stuck = state in OVER or (state == 'NO_MORE_TRIAL' and not self._trials)
        if stuck and self._events.empty():
            raise SearchError(
                f'Expected budget for {len(self._waiting) + self._trials} more trials, got none: '
                f'the experiment is {state}. If it has reached max_trial_number or '
                'max_experiment_duration, raise it. Start again with the same archive; finished '
                'trials are kept.')


def _same_work(one: Job, other: Job) -> bool:
    """Return whether two jobs compute the same; the stage of a training is for the web UI."""
    if isinstance(one, StandAlone) and isinstance(other, StandAlone):
        return one.sample == other.sample
    return one is other


def outcome_of(job: Job, metric: Any) -> Any:
    """Return the outcome of a job whose trial has reported a final result.

    Parameters
    ----------
    job
        The job.
    metric
        The final result, whatever an evaluator may report.
    """
    if isinstance(job, SuperNet):
        return SuperNetOutcome(**metric['outcome'])
    try:
        value = float(metric['default'] if isinstance(metric, dict) else metric)
    except (KeyError, TypeError, ValueError):
        value = math.nan
    return value if math.isfinite(value) else Failure(
        'Expected a finite number, or a dict with one as default, as the final result of the '
        f'evaluator, got {metric}.')


def _log_progress(event: IntermediateMetricEvent) -> None:
    """Log what a super-net reports after an epoch."""
    if isinstance(event.model, SuperNetModelSpace) and isinstance(event.metric, dict):
        _logger.info('%s: %s', event.model.job.name, ', '.join(
            f'{name} {value:.4g}' for name, value in event.metric.items() if name != 'default'))
