"""Searches of several stages as generators: they hand out jobs and receive their results.

A plan yields lists of jobs and is sent the list of their outcomes, in the same order::

    def plan(space):
        metrics = yield [StandAlone(sample) for sample in landmarks]
        supernet, = yield [SuperNet(...)]
        metrics = yield [StandAlone(one) for one in supernet.best]

It knows nothing of where jobs run. `drive` runs a plan and resumes it: a plan is deterministic
given its seed and the outcomes, so resuming replays it over the recorded outcomes of the archive
and runs only what is missing.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, field
from typing import Any, Callable, Generator, List, Protocol, Sequence, TypeVar, Union

from .archive import Archive
from .typing import Results, Sample, sample_key

__all__ = ['StandAlone', 'SuperNet', 'SuperNetOutcome', 'Failure', 'Job', 'Plan', 'Runner',
           'SearchError', 'drive']

_logger = logging.getLogger(__name__)


class SearchError(RuntimeError):
    """A stage in which every job failed; carries the error text of a trial."""


@dataclass(frozen=True)
class StandAlone:
    """Train one architecture on its own; the outcome is its metric, higher is better."""

    sample: Sample

    @property
    def name(self) -> str:
        """Names the job in logs."""
        return f'stand-alone training of {self.sample}'


@dataclass(frozen=True)
class SuperNet:
    """Train a super-net and search it; the outcome is a `SuperNetOutcome`.

    Parameters
    ----------
    oneshot
        The one-shot strategy, serialisable by NNI.
    results
        Stand-alone results for its regularisers.
    top
        Number of best architectures to return, none of which is in `results`.
    weights
        File of super-net weights to start from; None starts anew.
    save
        File to keep the trained weights in.
    """

    oneshot: Any
    results: Results
    top: int
    weights: str | None = None
    save: str | None = None

    @property
    def name(self) -> str:
        """Names the job in logs."""
        return f'super-net training with {len(self.results.samples)} stand-alone results'


@dataclass(frozen=True)
class SuperNetOutcome:
    """What a super-net training leaves behind.

    Parameters
    ----------
    best
        New architectures, best first.
    scores
        Their scores by the super-net.
    metrics
        Metrics of the last epoch, ``default`` among them.
    history
        Metrics of each epoch.
    weights
        File of the trained weights, if they were kept.
    """

    best: List[Sample]
    scores: List[float]
    metrics: dict
    history: List[dict] = field(default_factory=list)
    weights: str | None = None


@dataclass(frozen=True)
class Failure:
    """The outcome of a job that failed."""

    error: str


Job = Union[StandAlone, SuperNet]
Outcome = Union[float, SuperNetOutcome, Failure]
Answer = TypeVar('Answer')
Plan = Generator[List[Job], List[Any], Answer]


class Runner(Protocol):
    """Runs jobs somewhere."""

    def run(self, jobs: Sequence[Job], done: Callable[[int, Outcome], None]) -> None:
        """Run all `jobs`; call ``done(index, outcome)`` as soon as one has ended.

        `done` records the outcome before it returns, so that nothing is lost afterwards.
        """
        ...

    def describe(self, job: Job) -> str:
        """Return a text that changes whenever the job would compute something else."""
        ...


def drive(plan: Plan[Answer], runner: Runner, archive: Archive) -> Answer:
    """Run a plan to its end and return its answer; what the archive has recorded is not run again.

    A failed job is retried once. If it fails again its outcome is a `Failure`, with a warning.

    Parameters
    ----------
    plan
        The generator.
    runner
        Where jobs run.
    archive
        Keeps every result the moment it is known.

    Raises
    ------
    SearchError
        If all jobs of a stage fail, with the error of the last.
    """
    stage, outcomes = 0, None
    while True:
        try:
            jobs = plan.send(outcomes) if outcomes is not None else next(plan)
        except StopIteration as stop:
            return stop.value
        stage += 1
        outcomes = _run_stage(jobs, stage, runner, archive)


def _run_stage(jobs: Sequence[Job], stage: int, runner: Runner, archive: Archive) -> List[Outcome]:
    keys = [_key(job, stage, runner) for job in jobs]
    outcomes = [_recorded(job, key, archive) for job, key in zip(jobs, keys)]
    for attempt in range(2):
        missing = [index for index, outcome in enumerate(outcomes)
                   if outcome is None or isinstance(outcome, Failure)]
        if not missing:
            break
        _logger.info('Stage %d: %d of %d jobs to run%s.', stage, len(missing), len(jobs),
                     ', again after they failed' if attempt else '')

        def done(position: int, outcome: Outcome, indices: list[int] = missing) -> None:
            index = indices[position]
            outcomes[index] = outcome
            if not isinstance(outcome, Failure):
                _record(jobs[index], keys[index], outcome, archive)

        for index in missing:
            archive.record_job(keys[index], type(jobs[index]).__name__, {'name': jobs[index].name})
        runner.run([jobs[index] for index in missing], done)
    failures = [(job, outcome) for job, outcome in zip(jobs, outcomes)
                if isinstance(outcome, Failure)]
    for job, failure in failures:
        _logger.warning('Failed twice and is left out: %s. %s', job.name,
                        failure.error.strip().splitlines()[-1:])
    if jobs and len(failures) == len(jobs):
        raise SearchError(f'Expected at least one of {len(jobs)} jobs to succeed, got none. '
                          f'The {failures[-1][0].name} failed with:\n{failures[-1][1].error}')
    return [outcome for outcome in outcomes if outcome is not None]


def _key(job: Job, stage: int, runner: Runner) -> str:
    """Return the identity of a job: an architecture anywhere, a super-net at its stage."""
    if isinstance(job, StandAlone):
        return f'stand-alone {sample_key(job.sample)}'
    digest = hashlib.sha256(runner.describe(job).encode()).hexdigest()[:16]
    return f'super-net {stage} {digest}'


def _recorded(job: Job, key: str, archive: Archive) -> Outcome | None:
    if isinstance(job, StandAlone):
        return archive.metric(job.sample)
    result = archive.job_result(key)
    return None if result is None else SuperNetOutcome(**result)


def _record(job: Job, key: str, outcome: Outcome, archive: Archive) -> None:
    if isinstance(job, StandAlone):
        archive.add(job.sample, outcome)
        archive.record_result(key, {'metric': outcome})
    else:
        archive.record_result(key, vars(outcome))
