"""NNI's two engines behind one face: trials of an experiment, or models in this process."""

from __future__ import annotations

import traceback
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import requests
from nni.nas.execution import ExecutionEngine, SequentialExecutionEngine
from nni.nas.execution.event import ModelEvent, ModelEventType, TrainingEndEvent
from nni.nas.space import ExecutableModelSpace, ModelStatus
from nni.runtime.tuner_command_channel.command_type import ReportMetricData
from nni.utils import MetricType

from ...plan import Failure, Job, SearchError, StandAlone
from .assessor import Judge, make_assessor
from .failure import failure_of
from .listing import list_trials
from .resume import adopt

__all__ = ['OVER', 'EngineAdapter', 'Event', 'LateResult', 'SequentialAdapter', 'Stopped',
           'TrialAdapter', 'adapt']

OVER = ('DONE', 'ERROR', 'STOPPING', 'STOPPED')
"""States of an experiment in which no trial is running."""

_OPEN = ('INITIALIZED', 'RUNNING', 'TUNER_NO_MORE_TRIAL')  # states in which NNI starts trials


@dataclass(frozen=True)
class LateResult:
    """The final result of a job that was submitted before: in another stage, or another attempt."""

    job: Job
    metric: Any


@dataclass(frozen=True)
class Stopped:
    """The assessor of the experiment has stopped the trial of a job."""

    job: Job


Event: TypeAlias = ModelEvent | LateResult | Stopped


class EngineAdapter(ABC):
    """An engine, as the submissions of a search use it, one after another.

    Parameters
    ----------
    engine
        Of NNI.
    """

    late_results: bool
    """Whether a final result may come after the end of the training that it belongs to."""

    def __init__(self, engine: Any):
        self.engine = engine

    def idle_worker_available(self) -> bool:
        """Return whether a model that is submitted now would not have to wait for others."""
        return self.engine.idle_worker_available()

    def takes_models(self) -> bool:
        """Return whether a model that is submitted now would start now."""
        return self.idle_worker_available() and self.state() in _OPEN

    @contextmanager
    def listening(self, hear: Callable[[Any], None]) -> Iterator[None]:
        """Call `hear` for each `Event`, in whatever thread the engine hears of it."""
        for kind in ModelEventType:
            self.engine.register_model_event_callback(kind, hear)
        try:
            yield
        finally:
            for kind in ModelEventType:
                self.engine.unregister_model_event_callback(kind, hear)

    @abstractmethod
    def submit(self, model: ExecutableModelSpace, job: Job) -> None:
        """Start to train the model of a job; events tell of its metrics and its end."""

    @abstractmethod
    def state(self) -> str:
        """Return the state of the experiment, as NNI names it."""

    @abstractmethod
    def failure(self, model: ExecutableModelSpace) -> Failure:
        """Return why a model that has ended has no final result."""


class SequentialAdapter(EngineAdapter):
    """The engine that trains in this process: a model that is submitted has ended thereafter."""

    late_results = False

    def __init__(self, engine: Any):
        super().__init__(engine)
        self._errors: dict[int, str] = {}

    def submit(self, model: ExecutableModelSpace, job: Job) -> None:
        """Train a model; an error of its evaluator is not raised, but kept."""
        try:
            self.engine.submit_models(model)
        except Exception:
            self._errors[id(model)] = traceback.format_exc()
            if not model.status.completed():  # refused before it was started
                self.engine.dispatch_model_event(TrainingEndEvent(model, ModelStatus.Failed))

    def state(self) -> str:
        """Return the state that an experiment with this budget would have."""
        return 'RUNNING' if self.engine.budget_available() else 'DONE'

    def failure(self, model: ExecutableModelSpace) -> Failure:
        """Return the traceback of a model, unless the engine has logged it."""
        return Failure(self._errors.get(id(model), 'There is no final result; see the log above.'))


class TrialAdapter(EngineAdapter):
    """The engine whose models are trials of an experiment; it asks the NNI manager.

    .. note:: NNI 3.0 gives parameters to whichever trial asks first. A trial that dies before it
       asks leaves its own to the next one, and so on, so that any trial may report on any job
       that was ever submitted. `manager.js` mends that, but not every manager reads it.
    """

    late_results = True

    def __init__(self, engine: Any):
        super().__init__(engine)
        self._jobs: dict[int, Job] = {}          # of each parameter id
        self._current: dict[int, ExecutableModelSpace] = {}  # of those that the listener has
        self._late: deque[Event] = deque()       # that nobody has heard of
        self._hear: Callable[[Any], None] | None = None
        with _expecting_an_answer(engine):
            assessor = make_assessor(engine.nodejs_binding)
        self._judge = None if assessor is None else Judge(assessor, engine._channel)
        engine._channel.on_report_metric_data(self._hear_report)

    @contextmanager
    def listening(self, hear: Callable[[Any], None]) -> Iterator[None]:
        """Call `hear` for each event, also for what has been reported since the last time."""
        with super().listening(hear):
            self._hear = hear
            while self._late:
                hear(self._late.popleft())
            try:
                yield
            finally:
                self._hear = None
                self._current.clear()
                self.engine._models.clear()  # what it made of their reports now would fail

    def submit(self, model: ExecutableModelSpace, job: Job) -> None:
        """Start a trial, unless NNI has started it again itself."""
        adopted = adopt(self.engine, model)
        if self.engine._current_parameter_id is None:
            self.engine._current_parameter_id = self._last_parameter_id()
        key = self.engine._current_parameter_id + 1 if adopted is None else adopted
        self._current[key], self._jobs[key] = model, job
        if adopted is None:
            self.engine.submit_models(model)

    def _last_parameter_id(self) -> int:
        """Return the last id that an earlier start has used; NNI's own engine fails at times."""
        with _expecting_an_answer(self.engine):
            trials = list_trials(self.engine.nodejs_binding)
        return max((record['parameter_id'] for trial in trials
                    for record in trial['hyperParameters']), default=-1)

    def _hear_report(self, report: ReportMetricData) -> None:
        """Pass on what the engine does not: results of models that the listener has not."""
        key = report.parameter_id
        job = self._jobs.get(key) or self._restarted_job(key)
        if report.type == MetricType.PERIODICAL:
            # What super-nets report is the quality of a ranking, nothing to compare others with.
            if self._judge and isinstance(job, StandAlone) and self._judge.stops(report):
                (self._hear or self._late.append)(Stopped(job))
        elif job is not None and key not in self._current:
            (self._hear or self._late.append)(LateResult(job, report.value))

    def _restarted_job(self, key: int) -> Job | None:
        """Return what a trial trains that NNI has started again, and that nobody has asked for."""
        restarted = getattr(self.engine._channel, 'restarted', {})
        sample = restarted.get(key, {}).get('sample')
        return None if sample is None else StandAlone(sample)

    def state(self) -> str:
        """Return the state of the experiment, as NNI names it, or 'BUSY' for a slow manager.

        Raises
        ------
        SearchError
            If the manager is gone.
        """
        with _expecting_an_answer(self.engine):
            if not self.engine._channel_listen_thread.is_alive():
                raise ConnectionError('it has closed the connection')
            try:
                return self.engine.nodejs_binding.get_status()
            except requests.Timeout:
                return 'BUSY'

    def failure(self, model: ExecutableModelSpace) -> Failure:
        """Return the last lines of the error output of a trial, or who has ended it."""
        key = next((key for key, one in self._current.items() if one is model), None)
        return failure_of(self.engine.nodejs_binding, key)


@contextmanager
def _expecting_an_answer(engine: Any) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # NNI's channel would connect again: to the next manager at this port, which hears of its
        # own search no more.
        engine._channel.disconnect()
        raise SearchError(f'Expected the NNI manager to answer, got: {error}. Start again with the '
                          'same archive; finished trials are kept.') from error


def adapt(engine: ExecutionEngine) -> EngineAdapter:
    """Return the adapter of an engine, for the submissions of one search."""
    kind = SequentialAdapter if isinstance(engine, SequentialExecutionEngine) else TrialAdapter
    return kind(engine)
