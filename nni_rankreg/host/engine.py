"""Run the jobs of a plan as trials of an NNI experiment, or one by one in this process."""

from __future__ import annotations

import logging
import math
import os
import queue
import traceback
from pathlib import Path
from typing import Any, Callable, Sequence

import nni
import pytorch_lightning as pl
import requests
import torch
from nni.nas.execution import ExecutionEngine, SequentialExecutionEngine
from nni.nas.execution.event import FinalMetricEvent, ModelEventType, TrainingEndEvent
from nni.nas.space import ExecutableModelSpace, ModelStatus

from ..plan import Failure, Job, SearchError, StandAlone, SuperNet, SuperNetOutcome
from ..typing import Results

__all__ = ['EngineRunner', 'SuperNetModelSpace']

_logger = logging.getLogger(__name__)


class SuperNetModelSpace(ExecutableModelSpace):
    """A super-net training that NNI's engines take like any model, so that it can be a trial.

    Parameters
    ----------
    space
        Recipe of the model space: what NNI's `trace` keeps of it.
    evaluator
        Trains the super-net.
    job
        What to train it with and what to return.
    """

    def __init__(self, space: Any, evaluator: Any, job: SuperNet):
        super().__init__(ModelStatus.Frozen)
        self.space, self.evaluator, self.job = space, evaluator, job
        self.sample = None

    def execute(self) -> None:
        """Train and search the super-net, and report its best architectures as final result."""
        job = self.job
        pl.seed_everything(job.oneshot.seed, workers=True, verbose=False)
        space = self.space.trace_copy().get()
        warmed_up = job.weights is not None and Path(job.weights).exists()
        if job.weights is not None and not warmed_up:
            _logger.warning('Weights %s are not on this machine; the super-net starts anew.',
                            job.weights)
        supernet = job.oneshot.train(space, self.evaluator, job.results,
                                     weights=job.weights if warmed_up else None)
        if job.save is not None:
            save_weights(supernet.model, job.save)
        best = job.oneshot.best(job.top, exclude=job.results.samples)
        metrics = supernet.history[-1] if supernet.history else job.oneshot.measure()
        nni.report_final_result({**metrics, 'outcome': {
            'best': [dict(one) for one in best], 'scores': [one.score for one in best],
            'metrics': metrics, 'history': supernet.history, 'weights': job.save}})

    def _dump(self) -> dict[str, Any]:
        return {'symbol': self.space.trace_symbol, 'args': self.space.trace_args,
                'kwargs': self.space.trace_kwargs, 'evaluator': self.evaluator,
                'oneshot': self.job.oneshot, 'samples': self.job.results.samples,
                'metrics': self.job.results.metrics, 'top': self.job.top,
                'weights': self.job.weights, 'save': self.job.save}

    @classmethod
    def _load(cls, **state: Any) -> SuperNetModelSpace:
        space = nni.common.serializer.SerializableObject(
            state['symbol'], state['args'], state['kwargs'])
        job = SuperNet(state['oneshot'], Results(state['samples'], state['metrics']),
                       state['top'], state['weights'], state['save'])
        return cls(space, state['evaluator'], job)


def save_weights(supernet: torch.nn.Module, path: str) -> None:
    """Write the weights so that the file is either complete or not there."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    torch.save(supernet.state_dict(), f'{path}.part')
    os.replace(f'{path}.part', path)


class EngineRunner:
    """Submit jobs to an NNI engine and collect their results; a `Runner` of plans.

    Parameters
    ----------
    engine
        NNI's training-service engine (trials), or its sequential one (this process).
    space
        The executable model space of the experiment, with its evaluator.
    supernet_evaluator
        Trains super-nets.
    """

    def __init__(self, engine: ExecutionEngine, space: ExecutableModelSpace,
                 supernet_evaluator: Any):
        self.engine, self.space, self.supernet_evaluator = engine, space, supernet_evaluator
        self._ended: queue.Queue[tuple[ExecutableModelSpace, ModelStatus]] = queue.Queue()
        self._finals: dict[int, Any] = {}
        self._errors: dict[int, str] = {}

    def describe(self, job: Job) -> str:
        """Return the serialised job."""
        return nni.dump(self._model(job))

    def run(self, jobs: Sequence[Job], done: Callable[[int, Any], None]) -> None:
        """Run the jobs, as many at a time as the engine has workers."""
        waiting = list(enumerate(jobs))
        running: dict[int, tuple[int, ExecutableModelSpace]] = {}
        self.engine.register_model_event_callback(ModelEventType.FinalMetric, self._on_final)
        self.engine.register_model_event_callback(ModelEventType.TrainingEnd, self._on_end)
        try:
            while waiting or running:
                if waiting and self.engine.idle_worker_available():
                    self._check_budget(len(waiting))
                    index, job = waiting.pop(0)
                    model = self._model(job)
                    running[id(model)] = index, model  # NNI's engine keeps a weak reference only
                    self._submit(model)
                    continue
                model, status = self._next_ended(bool(running))
                if model is not None and id(model) in running:
                    index, _ = running.pop(id(model))
                    done(index, self._outcome(jobs[index], model, status))
        finally:
            self.engine.unregister_model_event_callback(ModelEventType.FinalMetric, self._on_final)
            self.engine.unregister_model_event_callback(ModelEventType.TrainingEnd, self._on_end)

    def _on_final(self, event: FinalMetricEvent) -> None:
        self._finals[id(event.model)] = event.metric  # NNI's model keeps the default value only

    def _on_end(self, event: TrainingEndEvent) -> None:
        self._ended.put((event.model, event.status))

    def _next_ended(self, running: bool) -> tuple[ExecutableModelSpace | None, ModelStatus]:
        for _ in range(20):
            try:
                return self._ended.get(timeout=0.5)
            except queue.Empty:
                if self.engine.idle_worker_available():
                    break  # perhaps for another job
        if running:
            self.engine.budget_available()  # raises if the NNI manager is gone
        return None, ModelStatus.Training

    def _check_budget(self, waiting: int) -> None:
        if not self.engine.budget_available():
            raise SearchError(f'Expected budget for {waiting} more trials, got none: the experiment '
                              'has reached max_trial_number or max_experiment_duration. Raise it '
                              'and start again with the same archive; finished trials are kept.')

    def _model(self, job: Job) -> ExecutableModelSpace:
        if isinstance(job, StandAlone):
            model = self.space.freeze(dict(job.sample))
        else:
            space = getattr(self.space, 'model', None) or self.space.model_space
            model = SuperNetModelSpace(space, self.supernet_evaluator, job)
        if isinstance(self.engine, SequentialExecutionEngine):
            # A Lightning trainer trains once: each job needs an evaluator of its own.
            model = nni.load(nni.dump(model))
            model.status = ModelStatus(model.status)  # NNI loads it as a plain string
        return model

    def _submit(self, model: ExecutableModelSpace) -> None:
        try:
            self.engine.submit_models(model)
        except Exception:
            if not isinstance(self.engine, SequentialExecutionEngine):
                raise
            self._errors[id(model)] = traceback.format_exc()
            self._ended.put((model, ModelStatus.Failed))

    def _outcome(self, job: Job, model: ExecutableModelSpace, status: ModelStatus) -> Any:
        metric = self._finals.pop(id(model), None)
        if status != ModelStatus.Trained or metric is None:
            return Failure(self._error(model))
        if isinstance(job, SuperNet):
            return SuperNetOutcome(**metric['outcome'])
        value = float(metric['default'] if isinstance(metric, dict) else metric)
        return value if math.isfinite(value) else Failure(f'The final metric is {value}.')

    def _error(self, model: ExecutableModelSpace) -> str:
        """Return the error text of a failed trial."""
        if isinstance(self.engine, SequentialExecutionEngine):
            return self._errors.pop(id(model), 'The error is in the log above.')
        experiment = self.engine.nodejs_binding
        parameter_id = next((key for key, reference in self.engine._models.items()
                             if reference() is model), None)
        for trial in experiment.list_trial_jobs():
            if any(one.parameter_id == parameter_id for one in trial.hyperParameters):
                url = (f'http://localhost:{experiment.port}/api/v1/nni/trial-file/'
                       f'{trial.trialJobId}/stderr')
                response = requests.get(url, timeout=20)
                if response.ok and response.text.strip():
                    return response.text[-4000:]
                return f'Trial {trial.trialJobId}: {trial.status}, no final result.'
        return 'The trial is unknown to the NNI manager.'
