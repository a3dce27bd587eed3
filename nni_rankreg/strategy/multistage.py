"""What strategies of several stages share: their archive, and how they run in an experiment."""

from __future__ import annotations

import hashlib
import logging
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from nni.nas.evaluator import Evaluator
from nni.nas.execution import ExecutionEngine
from nni.nas.space import ExecutableModelSpace, ModelStatus, SimplifiedModelSpace
from nni.nas.strategy.base import Strategy
from scipy.stats import norm

from .._util.path import user_path
from ..archive import Archive
from ..constraint import Cost, as_costs
from ..host.run.engine import EngineRunner
from ..host.run.prepare import prepare_nni
from ..metric import pareto_rank
from ..plan import Failure, Job, Outcome, Plan, StandAlone, SuperNet, drive
from ..predictor import Reliability, read_reliability, record_predictions
from ..sampler import UniformSampler
from ..sampler.choice import ChoiceSpace
from ..supernet.evaluator import check_settled
from ..table import ResultsSource, read_results
from ..typing import Results, Sample, Space, metric_sign
from .ledger import Ledger
from .oneshot import SuperNetStrategy

__all__ = ['PlanStrategy']

_logger = logging.getLogger(__name__)

# The web UI shows the first of these that is known.
_SHOWN = ('average', 'predictor', 'supernet', 'vote')


class PlanStrategy(Strategy):
    """A strategy whose `plan` yields jobs; NNI's engine runs them, the archive keeps the results.

    Parameters
    ----------
    supernet_evaluator
        NNI Lightning evaluator of super-net trainings; that of the experiment trains the
        stand-alone architectures.
    archive
        File of all results and of the recorded jobs. Starting again with the same file continues
        an interrupted search: what it holds is not run again.
    mode
        ``'max'``, or ``'min'`` if lower metrics of the evaluator are better, such as losses.
    work_dir
        Folder of the super-nets' weights, and of the results that these are trained with, which is
        the same one on all machines that run trials; None is that of the archive. The archive
        itself is read and written by this process alone.
    known
        Results from elsewhere.
    costs
        What architectures cost, lower is better; the archive and the web UI show it beside the
        metrics, and the models listed are the front of metric and costs.
    """

    def __init__(self, supernet_evaluator: Evaluator | None, archive: Archive | str | Path,
                 mode: str = 'max', work_dir: str | Path | None = None,
                 known: ResultsSource | None = None, costs: Sequence[Cost] = ()):
        super().__init__()
        prepare_nni()  # now: an experiment makes its engine before it calls the strategy
        self.work_dir = None if work_dir is None else Path(
            os.path.abspath(user_path(work_dir)))
        self.mode, self._sign, self.known = mode, metric_sign(mode), known
        self.supernet_evaluator, self.costs = supernet_evaluator, as_costs(costs)
        self.archive = archive if isinstance(archive, Archive) else Archive(archive)

    def plan(self, space: Any) -> Plan[Results]:
        """Yield the jobs of the search; the answer is all results, best first.

        Parameters
        ----------
        space
            Model space, or label -> mutable.
        """
        raise NotImplementedError

    def supernet_jobs(self) -> Sequence[SuperNet]:
        """Return jobs like those of the plan, to see whether they can be serialised."""
        raise NotImplementedError

    @property
    def trained_before_supernet(self) -> int | None:
        """The number of architectures trained before the first super-net; None is not known."""
        return None

    def train_predicted(self, samples: Sequence[Sample], random: Sequence[bool],
                        predictions: Mapping[str, Sequence[float]], ledger: Ledger,
                        stage: str) -> Plan[None]:
        """Train architectures stand-alone; keep what is predicted before, say what it was worth.

        The web UI shows which share of the candidates each architecture was expected to be better
        than, and the rank correlation of such predictions so far.

        Parameters
        ----------
        samples
            N architectures.
        random
            Which of them were drawn at random from all, shape (N,).
        predictions
            Source -> normal scores among the candidates, shape (N,), as of `record_predictions`.
        ledger, stage
            As of `train_stand_alone`.
        """
        before = self.reliability()
        record_predictions(self.archive, stage, samples, random, predictions)
        taus = {source: before.over_all(source).tau for source in _SHOWN
                if source in predictions and source in before.sources}
        expected = [_expected({source: values[row] for source, values in predictions.items()},
                              taus) for row in range(len(samples))]
        yield from self.train_stand_alone(samples, ledger, stage, expected)
        if known := str(self.reliability()):
            _logger.info('Prospective rank correlation over the space: %s', known)

    def check(self, space: Any, evaluator: Any) -> None:
        """Refuse what cannot be searched, before anything is trained.

        Parameters
        ----------
        space, evaluator
            Of the experiment; both are left as they are.

        Raises
        ------
        TypeError, ValueError
            If an evaluator or the space cannot be searched, results given do not fit the space, or
            a super-net needs more results than will be there.
        """
        check_settled(evaluator)
        known, trained = self.known_results(space), self.trained_before_supernet
        results = None if trained is None else trained + len(known.samples)
        for job in self.supernet_jobs():
            if isinstance(job.oneshot, SuperNetStrategy):
                job.oneshot.check(space, self.supernet_evaluator, job.accept, results)
        if self.costs:
            self._check_costs(UniformSampler(space).sample())

    def _check_costs(self, sample: Sample) -> None:
        """Refuse costs that are no numbers, or that the web UI would take for choices."""
        costs, = self.costs_of([sample])
        if taken := sorted(costs.keys() & sample.keys()):
            raise ValueError('Expected costs with other names than the labels of the space, got '
                             f'{", ".join(taken)}.')

    def train_stand_alone(self, samples: Sequence[Sample], ledger: Ledger, stage: str,
                          expected: Sequence[Mapping[str, float]] = ()) -> Plan[None]:
        """Train architectures stand-alone and enter what has become of them.

        Their costs, if the search has any, are known before: the archive keeps them.

        Parameters
        ----------
        samples
            The architectures.
        ledger
            Gets their metrics, higher is better, and those that fail.
        stage
            Of the search, for the web UI.
        expected
            What is known of each before its training, for the web UI, too; empty for nothing.
        """
        costs = self.costs_of(samples)
        self.archive.add_costs(samples, costs)
        outcomes = yield [StandAlone(sample, stage, {**known, **cost}) for sample, known, cost in
                          zip(samples, expected or [{}] * len(samples), costs)]
        ledger.enter(samples, [outcome if isinstance(outcome, Failure) else self._sign * outcome
                               for outcome in outcomes])

    def costs_of(self, samples: Sequence[Sample]) -> list[dict[str, float]]:
        """Return name -> cost of each of N architectures."""
        columns = {one.name: one(samples).tolist() for one in self.costs}
        return [{name: values[row] for name, values in columns.items()}
                for row in range(len(samples))]

    def best_of(self, results: Results) -> Results:
        """Return results, best first; if the search has costs, the front of metric and costs."""
        ranked = results.best_first()
        if not self.costs or not ranked.samples:
            return ranked
        sign = metric_sign(ranked.mode or 'max')
        points = [[-sign * metric, *costs.values()] for metric, costs in zip(
            ranked.metrics, self.costs_of(ranked.samples))]
        return ranked.take(np.flatnonzero(pareto_rank(points) == 0).tolist())

    def reliability(self) -> Reliability:
        """Return how far predictions could be trusted, from the archive, also while it runs."""
        return read_reliability(self.archive)

    def known_results(self, space: Space) -> Results:
        """Return the results from elsewhere, higher is better, as the space spells them."""
        return (Results([], [], 'max') if self.known is None
                else read_results(self.known, self.mode, space, 'known result'))

    def file(self, name: str) -> Path:
        """Return the path of a file of the search, beside its archive."""
        return self.archive.path.with_name(f'{self.archive.path.stem}-{name}')

    def shared_file(self, name: str) -> str:
        """Return the path of a file that trials exchange: in `work_dir`, or beside the archive."""
        return str(self._shared_folder / self.file(name).name)

    @property
    def _shared_folder(self) -> Path:
        return self.archive.path.parent if self.work_dir is None else self.work_dir

    def _initialize(self, model_space: ExecutableModelSpace,
                    engine: ExecutionEngine) -> ExecutableModelSpace:
        if not isinstance(model_space, SimplifiedModelSpace):
            raise TypeError("Expected the model format 'simplified' in the experiment's "
                            f'configuration, got a {type(model_space).__name__}.')
        return model_space

    def _run(self) -> None:
        """Drive the plan with the experiment's engine; NNI calls this."""
        space = self.model_space.model.trace_copy().get()
        runner = EngineRunner(self.engine, self.model_space, self.supernet_evaluator,
                              self._shared_folder, self._keep)
        # What cannot be trained, or serialised, is refused now, not after hours of training.
        self.check(space, self.model_space.evaluator)
        for job in self.supernet_jobs():
            runner.describe(job)
        self._shared_folder.mkdir(parents=True, exist_ok=True)
        self._check_archive(runner.describe(StandAlone(UniformSampler(space).sample())))
        drive(self.plan(space), runner, self.archive)

    def _keep(self, job: Job, outcome: Outcome) -> None:
        """Keep the result of a training that the search has given up, for the next start."""
        if (isinstance(job, StandAlone) and isinstance(outcome, float)
                and job.sample not in self.archive):
            self.archive.add(job.sample, outcome)

    def _check_archive(self, description: str) -> None:
        """Refuse damage before a long search, and results of another space or evaluator.

        Metrics of another evaluator are not comparable.
        """
        self.archive.check()
        digest = hashlib.sha256(description.encode()).hexdigest()
        recorded = self.archive.job_result('evaluation')
        evaluation = {'digest': digest, 'mode': self.mode}
        if recorded is None:
            self.archive.record_job('evaluation', 'evaluation', {})
            self.archive.record_result('evaluation', evaluation)
        elif {'mode': 'max', **recorded} != evaluation:
            raise ValueError(f'Expected an archive of this space, evaluator and mode, got '
                             f'{self.archive.path} of another. Give another file as archive, or '
                             'pass this one as `known` if its metrics are comparable.')
        _logger.info('Results are kept in %s; %d are there.', self.archive.path, len(self.archive))

    def list_models(self, sort: bool = True,
                    limit: int | None = None) -> Iterator[ExecutableModelSpace]:
        """Yield the stand-alone trained architectures, also those of an earlier start, in order.

        Of a search with costs, sorted, they are the front of metric and costs. ``objectives`` of a
        model are its ``metric`` and its costs.

        Parameters
        ----------
        sort
            Whether to sort by metric, best first; otherwise all in the order of their training.
        limit
            Number of models; None yields all.
        """
        if sort and not self.costs:
            results = self.archive.best(limit, self.mode)
        else:
            results = self.archive.results()
        choices = ChoiceSpace(self.model_space.mutables)
        own = choices.results(results)
        results = Results(own.samples, own.metrics, self.mode)
        results = self.best_of(results) if sort else results
        for sample, metric in list(results.pairs())[:limit]:
            costs, = self.costs_of([sample])
            model = self.model_space.freeze(sample)
            model.metrics.final, model.objectives = metric, {'metric': metric, **costs}
            model.status = ModelStatus.Trained
            yield model

    def state_dict(self) -> dict:
        """Return nothing: the archive keeps the state, the moment it changes."""
        return {}

    def load_state_dict(self, state_dict: dict) -> None:
        """Do nothing: the search continues from its archive."""


def _expected(predictions: Mapping[str, float], taus: Mapping[str, float]) -> dict[str, float]:
    """Return what the web UI shows of the predictions of an architecture, of the best source."""
    for source in _SHOWN:
        if math.isfinite(predictions.get(source, math.nan)):
            shown = {'predicted': float(norm.cdf(predictions[source])),
                     'prospective_tau': taus.get(source, math.nan)}
            return {name: round(value, 3) for name, value in shown.items() if math.isfinite(value)}
    return {}
