"""Run the jobs of a plan as trials of an NNI experiment, or one by one in this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nni
from nni.nas.execution import ExecutionEngine, SequentialExecutionEngine
from nni.nas.space import ExecutableModelSpace, ModelStatus, SimplifiedModelSpace

from ...plan import Failure, Job, StandAlone
from ...typing import Results
from .adapter import adapt
from .description import describe_model
from .parameters import dump_model, model_content
from .results_file import ResultsFile
from .resume import finished_trials
from .standalone_job import StandAloneModelSpace
from .submission import Submission, outcome_of
from .supernet_job import SuperNetModelSpace

__all__ = ['EngineRunner']


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
    folder
        In which trials find the results that super-nets are trained with.
    keep
        Called with a job and its outcome that nobody waits for any more, as it was given up.
    """

    def __init__(self, engine: ExecutionEngine, space: SimplifiedModelSpace,
                 supernet_evaluator: Any, folder: Path,
                 keep: Callable[[Job, Any], None] | None = None):
        self.engine, self.space, self.supernet_evaluator = engine, space, supernet_evaluator
        self.folder, self._adapter, self._keep = folder, adapt(engine), keep
        self._latest: tuple[Results, ResultsFile] | None = None

    def describe(self, job: Job) -> str:
        """Return the serialised job, the same in every process."""
        return describe_model(self._model(job, sent=False))

    def run(self, jobs: Sequence[Job], done: Callable[[int, Any], None]) -> None:
        """Run the jobs, as many at a time as the engine has workers.

        Raises
        ------
        SearchError
            If the experiment has no budget left or the NNI manager is gone.
        """
        missing = self._recall(jobs, done)
        Submission(self._adapter, missing, self._own_model, done, self._keep).run()

    def _recall(self, jobs: Sequence[Job],
                done: Callable[[int, Any], None]) -> list[tuple[int, Job]]:
        """Hand over results that NNI knows of an earlier start; return the jobs without one."""
        finished = finished_trials(self.engine)
        if not finished:
            return list(enumerate(jobs))
        missing = []
        for number, job in enumerate(jobs):
            wanted = model_content(self._model(job))
            value = next((final for found, final in finished if found == wanted), None)
            outcome = None if value is None else outcome_of(job, value)
            if outcome is None or isinstance(outcome, Failure):
                missing.append((number, job))
            else:
                done(number, outcome)
        return missing

    def _own_model(self, job: Job) -> ExecutableModelSpace:
        """Return what a trial executes, with an evaluator of its own in this process."""
        model = self._model(job)
        if isinstance(self.engine, SequentialExecutionEngine):
            # A Lightning trainer trains once.
            model = nni.load(dump_model(model))
            model.status = ModelStatus(model.status)  # NNI loads it as a plain string
        return model

    def _model(self, job: Job, *, sent: bool = True) -> ExecutableModelSpace:
        """Return what a trial executes.

        What is not sent lacks what is no part of what a trial does: the summary for the web UI,
        and the file of results, which is only named.
        """
        if isinstance(job, StandAlone):
            return (StandAloneModelSpace.freeze_from(self.space, job) if sent
                    else self.space.freeze(dict(job.sample)))
        results = self._file_of(job.results)
        return SuperNetModelSpace(self.space.model, self.supernet_evaluator, job,
                                  results.write(self.folder) if sent else results.name, sent)

    def _file_of(self, results: Results) -> ResultsFile:
        """Return the file of results; the latest is kept, as a job needs it to be named, too."""
        if self._latest is None or self._latest[0] is not results:
            self._latest = results, ResultsFile(results)
        return self._latest[1]
