"""Searches of several stages as generators: they hand out jobs and receive their results.

A plan yields lists of jobs and is sent the list of their outcomes, in the same order::

    def plan(space):
        metrics = yield [StandAlone(sample) for sample in landmarks]
        supernet, = yield [SuperNet(...)]
        metrics = yield [StandAlone(one) for one in supernet.best]

It knows nothing of where jobs run. `drive` runs and resumes it: a plan is deterministic given its
seed and the outcomes, so resuming replays it over the recorded ones of the archive.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, TypeVar

from .archive import Archive
from .search import UniformDraw
from .typing import Constraints, Results, Sample, sample_key

__all__ = ['StandAlone', 'SuperNet', 'SuperNetOutcome', 'Failure', 'Job', 'Outcome', 'Plan',
           'Runner', 'SearchError', 'drive']

_logger = logging.getLogger(__name__)


class SearchError(RuntimeError):
    """A stage in which every job failed; carries the error text of a trial."""


@dataclass(frozen=True)
class StandAlone:
    """Train one architecture on its own; the outcome is the metric that its evaluator reports.

    The web UI shows its stage of the search and what was expected of it; the job is the same
    whatever these are.

    Parameters
    ----------
    sample
        The architecture.
    stage
        Of the search.
    expected
        Name -> number that is known before the training, such as a prediction.
    """

    sample: Sample
    stage: str = 'stand-alone'
    expected: Mapping[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Names the job in logs."""
        return f'stand-alone training of {sample_key(self.sample)}'


@dataclass(frozen=True)
class SuperNet:
    """Train a super-net and search it; the outcome is a `SuperNetOutcome`.

    Parameters
    ----------
    oneshot
        The one-shot strategy, serialisable by NNI.
    results
        Stand-alone results for its regularisers, higher is better.
    top
        Number of best architectures to return; 0 searches none. They compute different functions,
        none that of an architecture in `results`, see `canonical_form`; on a front they may.
    weights
        File of super-net weights to start from; None starts anew.
    save
        File to keep the trained weights in.
    title
        Names the job in logs.
    weak
        Architectures that get weak labels: their score by the super-net, FLOPs and parameters.
    accept
        Constraints of the search, which hold beside the filter of `oneshot`.
    """

    oneshot: Any
    results: Results
    top: int
    weights: str | None = None
    save: str | None = None
    title: str = 'super-net'
    weak: UniformDraw | None = None
    accept: Constraints = None

    @property
    def name(self) -> str:
        """Names the job in logs."""
        return f'{self.title} with {len(self.results.samples)} stand-alone results'


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
    measured
        ``scores``, higher is better, and ``metrics``, in the user's own sign, of the architectures
        that the ranking was measured on.
    weak
        Name -> labels of the job's `weak` architectures, and then of the best ones.
    """

    best: list[Sample]
    scores: list[float]
    metrics: dict
    history: list[dict] = field(default_factory=list)
    weights: str | None = None
    measured: dict = field(default_factory=dict)
    weak: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Failure:
    """The outcome of a job that failed.

    Parameters
    ----------
    error
        Why.
    tries
        How often a job that fails like this is tried in all: once if an assessor has stopped it,
        more often than others if it was killed.
    """

    error: str
    tries: int = 2


Job = StandAlone | SuperNet
Outcome = float | SuperNetOutcome | Failure
Answer = TypeVar('Answer')
Plan = Generator[list[Job], list[Any], Answer]


class Runner(Protocol):
    """Runs jobs somewhere."""

    def run(self, jobs: Sequence[Job], done: Callable[[int, Outcome], None]) -> None:
        """Run all `jobs`; call ``done(index, outcome)`` as soon as one has ended: it records it."""
        ...

    def describe(self, job: Job) -> str:
        """Return a text that changes whenever the job would compute something else."""
        ...


def drive(plan: Plan[Answer], runner: Runner, archive: Archive) -> Answer:
    """Run a plan to its end and return its answer; what the archive has recorded is not run again.

    A failed job is tried again, as often as its `Failure` says. If it fails each time that is its
    outcome, with a warning. If all jobs of a stage fail, a `SearchError` is raised in the plan,
    which may catch it; those that an assessor has stopped have not failed.

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
    stage = 0
    outcomes: Any = None
    error: SearchError | None = None
    while True:
        try:
            jobs = plan.send(outcomes) if error is None else plan.throw(error)
        except StopIteration as stop:
            return stop.value
        stage, outcomes, error = stage + 1, None, None
        try:
            outcomes = _run_stage(jobs, stage, runner, archive)
        except SearchError as failure:
            error = failure


def _run_stage(jobs: Sequence[Job], stage: int, runner: Runner, archive: Archive) -> list[Outcome]:
    keys = [_key(job, stage, runner) for job in jobs]
    for job, key in zip(jobs, keys):
        archive.record_job(key, type(job).__name__, {'name': job.name})
    outcomes = [_recorded(job, key, archive) for job, key in zip(jobs, keys)]

    def done(indices: list[int], position: int, outcome: Outcome) -> None:
        index = indices[position]
        outcomes[index] = _record(jobs[index], keys[index], outcome, archive)
        ended = sum(_succeeded(one) for one in outcomes)
        _logger.info('Stage %d, %d/%d: %s: %s', stage, ended, len(jobs), jobs[index].name,
                     _brief(outcome))

    attempt = 0
    while missing := [index for index, one in enumerate(outcomes) if attempt < _tries(one)]:
        _logger.info('Stage %d: %d of %d jobs to run%s.', stage, len(missing), len(jobs),
                     ', again after they failed' if attempt else '')
        runner.run([jobs[index] for index in missing], partial(done, missing))
        attempt += 1
    return _checked(jobs, outcomes)


def _tries(outcome: Outcome | None) -> int:
    """Return how often a job with this outcome so far is tried in all."""
    if outcome is None:
        return 2
    return outcome.tries if isinstance(outcome, Failure) else 0


def _checked(jobs: Sequence[Job], outcomes: Sequence[Outcome | None]) -> list[Outcome]:
    """Return the outcomes after a warning for each failure; raise if there is nothing else."""
    checked = [Failure('The runner has reported no outcome.') if outcome is None else outcome
               for outcome in outcomes]
    failures = [(job, outcome) for job, outcome in zip(jobs, checked)
                if isinstance(outcome, Failure)]
    for job, failure in failures:
        how = {1: 'Was stopped', 2: 'Failed twice'}.get(failure.tries)
        _logger.warning('%s and is left out: %s: %s', how or f'Failed {failure.tries} times',
                        job.name, _brief(failure))
    if jobs and sum(failure.tries > 1 for _, failure in failures) == len(jobs):
        raise SearchError(f'Expected at least one of {len(jobs)} jobs to succeed, got none. '
                          f'The {failures[-1][0].name} failed with:\n{failures[-1][1].error}')
    return checked


def _succeeded(outcome: Outcome | None) -> bool:
    return not (outcome is None or isinstance(outcome, Failure))


def _brief(outcome: Outcome) -> str:
    if isinstance(outcome, Failure):
        return 'failed: ' + outcome.error.strip().rpartition('\n')[2]
    value = outcome.metrics['default'] if isinstance(outcome, SuperNetOutcome) else outcome
    return f'{value:.4f}'


def _key(job: Job, stage: int, runner: Runner) -> str:
    """Return the identity of a job: an architecture anywhere, a super-net at its stage."""
    if isinstance(job, StandAlone):
        return f'stand-alone {sample_key(job.sample)}'
    digest = hashlib.sha256(runner.describe(job).encode()).hexdigest()[:16]
    return f'super-net {stage} {digest}'


def _recorded(job: Job, key: str, archive: Archive) -> Outcome | None:
    result = archive.job_result(key)
    if isinstance(job, StandAlone):
        metric = archive.metric(job.sample)
        if metric is not None and result is None:  # known before, or killed between two writes
            archive.record_result(key, {'metric': metric})
        return metric
    return None if result is None else SuperNetOutcome(**result)


def _record(job: Job, key: str, outcome: Outcome, archive: Archive) -> Outcome | None:
    """Record an outcome and return it as it is read back, so that a replay sees the very same."""
    if isinstance(outcome, Failure):
        return outcome
    if isinstance(outcome, SuperNetOutcome):
        archive.record_result(key, vars(outcome))
    elif isinstance(job, StandAlone):
        archive.add(job.sample, outcome)
    return _recorded(job, key, archive)
