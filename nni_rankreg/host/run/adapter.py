"""NNI's two engines behind one face: trials of an experiment, or models in this process."""

from __future__ import annotations

import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import requests
from nni.nas.execution import ExecutionEngine, SequentialExecutionEngine
from nni.nas.execution.event import ModelEvent, ModelEventType, TrainingEndEvent
from nni.nas.space import ExecutableModelSpace, ModelStatus

from ...plan import SearchError
from .failure import error_text
from .resume import adopt

__all__ = ['OVER', 'EngineAdapter', 'SequentialAdapter', 'TrialAdapter', 'adapt']

OVER = ('DONE', 'ERROR', 'STOPPING', 'STOPPED')
"""States of an experiment in which no trial is running."""

_OPEN = ('INITIALIZED', 'RUNNING', 'TUNER_NO_MORE_TRIAL')  # states in which NNI starts trials


class EngineAdapter(ABC):
    """An engine, as a `Submission` uses it.

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
    def listening(self, hear: Callable[[ModelEvent], None]) -> Iterator[None]:
        """Call `hear` for each event of a model, in whatever thread the engine hears of it."""
        for kind in ModelEventType:
            self.engine.register_model_event_callback(kind, hear)
        try:
            yield
        finally:
            for kind in ModelEventType:
                self.engine.unregister_model_event_callback(kind, hear)

    @abstractmethod
    def submit(self, model: ExecutableModelSpace) -> None:
        """Start to train a model; the engine tells of its metrics and its end by events."""

    @abstractmethod
    def state(self) -> str:
        """Return the state of the experiment, as NNI names it."""

    @abstractmethod
    def error_text(self, model: ExecutableModelSpace) -> str:
        """Return why a model that has ended has no final result."""


class SequentialAdapter(EngineAdapter):
    """The engine that trains in this process: a model that is submitted has ended thereafter."""

    late_results = False

    def __init__(self, engine: Any):
        super().__init__(engine)
        self._errors: dict[int, str] = {}

    def submit(self, model: ExecutableModelSpace) -> None:
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

    def error_text(self, model: ExecutableModelSpace) -> str:
        """Return the traceback of a model, unless the engine has logged it."""
        return self._errors.get(id(model), 'There is no final result; see the log above.')


class TrialAdapter(EngineAdapter):
    """The engine whose models are trials of an experiment; it asks the NNI manager."""

    late_results = True

    def submit(self, model: ExecutableModelSpace) -> None:
        """Start a trial, unless NNI has started it again itself."""
        if not adopt(self.engine, model):
            self.engine.submit_models(model)

    def state(self) -> str:
        """Return the state of the experiment, as NNI names it, or 'BUSY' for a slow manager.

        Raises
        ------
        SearchError
            If the manager is gone.
        """
        try:
            if not self.engine._channel_listen_thread.is_alive():
                raise ConnectionError('it has closed the connection')
            return self.engine.nodejs_binding.get_status()
        except requests.Timeout:
            return 'BUSY'
        except OSError as error:
            raise SearchError(f'Expected the NNI manager to answer, got: {error}. Start again '
                              'with the same archive; finished trials are kept.') from error

    def error_text(self, model: ExecutableModelSpace) -> str:
        """Return the last lines of the error output of a trial."""
        parameter_id = next((key for key, reference in self.engine._models.items()
                             if reference() is model), None)
        return error_text(self.engine.nodejs_binding, parameter_id)


def adapt(engine: ExecutionEngine) -> EngineAdapter:
    """Return the adapter of an engine, for one submission."""
    kind = SequentialAdapter if isinstance(engine, SequentialExecutionEngine) else TrialAdapter
    return kind(engine)
