"""Run the jobs of a plan as trials of an NNI experiment, or one by one in this process."""

from __future__ import annotations

import json
import logging
import math
import queue
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import nni
import requests
from nni.nas.execution import ExecutionEngine, SequentialExecutionEngine
from nni.nas.execution.event import (
    FinalMetricEvent,
    IntermediateMetricEvent,
    ModelEvent,
    ModelEventType,
    TrainingEndEvent,
)
from nni.nas.space import ExecutableModelSpace, ModelStatus, SimplifiedModelSpace

from ...plan import Failure, Job, SearchError, SuperNet, SuperNetOutcome
from .description import describe_model
from .failure import error_text
from .resume import adopt, finished_trials
from .standalone_job import StandAloneModelSpace
from .supernet_job import SuperNetModelSpace, dump_model

__all__ = ['EngineRunner']

_logger = logging.getLogger(__name__)

_OPEN = ('INITIALIZED', 'RUNNING', 'TUNER_NO_MORE_TRIAL')  # states in which NNI starts trials
_OVER = ('DONE', 'ERROR', 'STOPPING', 'STOPPED')           # states in which no trial is running
_PATIENCE = 5.  # seconds for a message of the manager that is on its way
_QUIET = 10.    # seconds without a message after which the manager is asked for its state


class EngineRunner:
    """Submit jobs to an NNI engine and collect their results; a `Runner` of plans.

    Parameters
    ----------
    engine
        NNI's training-service engine (trials), or its sequential one (this process).
    space
        The model space of the experiment in NNI's simplified format, with its evaluator.
    supernet_evaluator
        Trains super-nets.
    """

    def __init__(self, engine: ExecutionEngine, space: SimplifiedModelSpace,
                 supernet_evaluator: Any):
        self.engine, self.space, self.supernet_evaluator = engine, space, supernet_evaluator
        self._events: queue.Queue[ModelEvent] = queue.Queue()
        self._errors: dict[int, str] = {}
        self._ends = 0

    def describe(self, job: Job) -> str:
        """Return the serialised job, the same in every process."""
        return describe_model(self._model(job, summarise=False))

    def run(self, jobs: Sequence[Job], done: Callable[[int, Any], None]) -> None:
        """Run the jobs, as many at a time as the engine has workers.

        Raises
        ------
        SearchError
            If the experiment has no budget left or the NNI manager is gone.

        .. note:: NNI 3.0 gives the parameters of trials that start together to whichever asks
           first, but names the end of a trial by the parameters it was meant to get. Which job
           has ended is therefore known by its final result only, and which have failed when all
           trials have ended.
        """
        waiting = deque(self._recall(jobs, done))
        running: dict[int, tuple[int, ExecutableModelSpace]] = {}
        submitted = []  # NNI's engine keeps weak references, and hears of no end without the model
        trials = 0
        with self._listening():
            while waiting or trials:
                if waiting and self._events.empty() and self._may_submit():
                    index, job = waiting.popleft()
                    model = self._model(job)
                    running[id(model)] = index, model
                    submitted.append(model)
                    trials += 1
                    self._submit(model)
                    continue
                event = self._next_event(bool(waiting))
                if event is None:
                    self._check_progress(len(waiting) + trials, bool(trials))
                elif isinstance(event, TrainingEndEvent):
                    trials -= 1
                else:
                    self._finish(event, jobs, running, done)
            self._finish_late(jobs, running, done)
        for index, model in running.values():
            done(index, Failure(self._error(model)))

    def _recall(self, jobs: Sequence[Job],
                done: Callable[[int, Any], None]) -> Iterator[tuple[int, Job]]:
        """Hand over results that NNI knows of an earlier start; yield the jobs without one."""
        finished = finished_trials(self.engine)
        for index, job in enumerate(jobs):
            known = json.loads(dump_model(self._model(job))) if finished else None
            value = next((final for parameters, final in finished if parameters == known), None)
            outcome = None if value is None else _outcome(job, value)
            if outcome is None or isinstance(outcome, Failure):
                yield index, job
            else:
                done(index, outcome)

    def _finish(self, event: FinalMetricEvent, jobs: Sequence[Job], running: dict,
                done: Callable[[int, Any], None]) -> None:
        if id(event.model) in running:
            index, _ = running.pop(id(event.model))
            done(index, _outcome(jobs[index], event.metric))

    def _finish_late(self, jobs: Sequence[Job], running: dict,
                     done: Callable[[int, Any], None]) -> None:
        """Wait for final results that come a moment after the end of their trial."""
        patience = time.monotonic() + _PATIENCE
        while running and time.monotonic() < patience:
            try:
                event = self._events.get(timeout=0.1)
            except queue.Empty:
                if isinstance(self.engine, SequentialExecutionEngine):
                    break
            else:
                self._finish(event, jobs, running, done)

    @contextmanager
    def _listening(self) -> Iterator[None]:
        callbacks = {ModelEventType.IntermediateMetric: self._on_intermediate,
                     ModelEventType.FinalMetric: self._on_final,
                     ModelEventType.TrainingEnd: self._on_end}
        for event, callback in callbacks.items():
            self.engine.register_model_event_callback(event, callback)
        try:
            yield
        finally:
            for event, callback in callbacks.items():
                self.engine.unregister_model_event_callback(event, callback)

    # NNI's default for both metrics keeps the default value only, and raises without one: in the
    # thread that listens to the manager, which then hears of no trial any more.

    def _on_final(self, event: FinalMetricEvent) -> None:
        event.prevent_default()
        self._events.put(event)

    def _on_intermediate(self, event: IntermediateMetricEvent) -> None:
        event.prevent_default()
        if isinstance(event.model, SuperNetModelSpace) and isinstance(event.metric, dict):
            _logger.info('%s: %s', event.model.job.name, ', '.join(
                f'{name} {value:.4g}' for name, value in event.metric.items()
                if name != 'default'))

    def _on_end(self, event: TrainingEndEvent) -> None:
        self._ends += 1
        self._events.put(event)

    def _next_event(self, waiting: bool) -> ModelEvent | None:
        patience = time.monotonic() + _QUIET
        while time.monotonic() < patience:
            try:
                return self._events.get(timeout=0.5)
            except queue.Empty:
                if waiting and self.engine.idle_worker_available():
                    break
        return None

    def _may_submit(self) -> bool:
        return self.engine.idle_worker_available() and self._state() in _OPEN

    def _state(self) -> str:
        """Return the state of the experiment, as NNI names it."""
        if isinstance(self.engine, SequentialExecutionEngine):
            return 'RUNNING' if self.engine.budget_available() else 'DONE'
        try:
            if not self.engine._channel_listen_thread.is_alive():
                raise ConnectionError('it has closed the connection')
            return self.engine.nodejs_binding.get_status()
        except requests.Timeout:
            return 'BUSY'
        except OSError as error:
            raise SearchError(f'Expected the NNI manager to answer, got: {error}. Start again '
                              'with the same archive; finished trials are kept.') from error

    def _check_progress(self, left: int, running: bool) -> None:
        """Raise if no trial will end any more; NNI takes more trials than it has budget for."""
        state = self._state()
        if state in _OVER and running:
            time.sleep(_PATIENCE)
        if self._events.empty() and (state in _OVER or state == 'NO_MORE_TRIAL' and not running):
            raise SearchError(
                f'Expected budget for {left} more trials, got none: the experiment is {state}. If '
                'it has reached max_trial_number or max_experiment_duration, raise it. Start '
                'again with the same archive; finished trials are kept.')

    def _model(self, job: Job, *, summarise: bool = True) -> ExecutableModelSpace:
        """Return what a trial executes; the summary for the web UI is no part of what it does."""
        model: Any
        if isinstance(job, SuperNet):
            model = SuperNetModelSpace(self.space.model, self.supernet_evaluator, job, summarise)
        elif summarise:
            model = StandAloneModelSpace.freeze_from(self.space, job)
        else:
            model = self.space.freeze(dict(job.sample))
        if isinstance(self.engine, SequentialExecutionEngine):
            # A Lightning trainer trains once: each job needs an evaluator of its own.
            model = nni.load(dump_model(model))
            model.status = ModelStatus(model.status)  # NNI loads it as a plain string
        return model

    def _submit(self, model: ExecutableModelSpace) -> None:
        ends = self._ends
        try:
            if not adopt(self.engine, model):
                self.engine.submit_models(model)
        except Exception:
            if not isinstance(self.engine, SequentialExecutionEngine):
                raise
            self._errors[id(model)] = traceback.format_exc()
            if self._ends == ends:  # refused before it was started
                self._on_end(TrainingEndEvent(model, ModelStatus.Failed))

    def _error(self, model: ExecutableModelSpace) -> str:
        if isinstance(self.engine, SequentialExecutionEngine):
            return self._errors.pop(id(model), 'There is no final result; see the log above.')
        parameter_id = next((key for key, reference in self.engine._models.items()
                             if reference() is model), None)
        return error_text(self.engine.nodejs_binding, parameter_id)


def _outcome(job: Job, metric: Any) -> Any:
    if isinstance(job, SuperNet):
        return SuperNetOutcome(**metric['outcome'])
    try:
        value = float(metric['default'] if isinstance(metric, dict) else metric)
    except (KeyError, TypeError, ValueError):
        value = math.nan
    return value if math.isfinite(value) else Failure(
        'Expected a finite number, or a dict with one as default, as the final result of the '
        f'evaluator, got {metric}.')
