"""LandmarkSearch: the multi-stage search of landmark regularisation as an NNI strategy."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Any, Iterator, Sequence

from nni.nas.execution import ExecutionEngine
from nni.nas.space import ExecutableModelSpace, ModelStatus, SimplifiedModelSpace
from nni.nas.strategy.base import Strategy

from ..archive import Archive
from ..host.engine import EngineRunner
from ..plan import Failure, Plan, SearchError, StandAlone, SuperNet, SuperNetOutcome, drive
from ..regularizer import ResultsSource, read_results
from ..sampler import LandmarkSampler, UniformSampler
from ..typing import Results, Sample, sample_key
from .spos import SPOS

__all__ = ['LandmarkSearch']

_logger = logging.getLogger(__name__)


class LandmarkSearch(Strategy):
    """Landmarks, super-net, best architectures, which become landmarks: in several iterations.

    Source: Yu, Ranftl and Salzmann, "Landmark Regularization", CVPR 2021, Algorithm 1 and Fig. 2.
    Diverse landmarks are trained stand-alone; the super-net is trained with all results so far
    and continues from the weights of the iteration before; its best new architectures are trained
    stand-alone. Every training is a trial.

    Parameters
    ----------
    oneshot
        Trains the super-net, for example ``SPOS(regularizers=[LandmarkRegularizer()])``.
    supernet_evaluator
        NNI Lightning evaluator of the super-net training; that of the experiment trains the
        stand-alone architectures.
    iterations, landmarks, top
        T, M and the number of best architectures of each iteration.
    archive
        File of all results and of the recorded jobs. Starting again with the same file continues
        an interrupted search: what it holds is not run again.
    known
        Landmarks measured elsewhere (another archive, a table, a CSV file), in addition.
    control
        Another one-shot strategy, whose super-net is trained beside `oneshot` in every iteration
        for comparison, for example plain SPOS at equal cost; it has no say in the search.
    threshold, pairwise
        Of the `LandmarkSampler`.
    seed
        Of the landmarks.

    Attributes
    ----------
    supernets, controls
        Outcomes of the super-net trainings, one for each iteration.

    Raises
    ------
    ValueError
        If a count is not positive.

    Examples
    --------
    >>> from nni_rankreg.regularizer import LandmarkRegularizer
    >>> search = LandmarkSearch(oneshot=SPOS(regularizers=[LandmarkRegularizer()]),
    ...                         supernet_evaluator=None, iterations=3, landmarks=10, top=10,
    ...                         archive='runs/search.sqlite')
    >>> # NasExperiment(space, evaluator, search).run()
    """

    def __init__(self, oneshot: SPOS, supernet_evaluator: Any, *, iterations: int = 3,
                 landmarks: int = 10, top: int = 10,
                 archive: Archive | str | Path = 'runs/landmark_search.sqlite',
                 known: ResultsSource | None = None, control: SPOS | None = None,
                 threshold: int | None = None, pairwise: bool = False, seed: int = 0):
        super().__init__()
        for name, value in dict(iterations=iterations, landmarks=landmarks, top=top).items():
            if value < 1:
                raise ValueError(f'Expected {name} of at least 1, got {value}.')
        self.oneshot, self.supernet_evaluator = oneshot, supernet_evaluator
        self.iterations, self.landmarks, self.top = iterations, landmarks, top
        self.archive = archive if isinstance(archive, Archive) else Archive(archive)
        self.known, self.control, self.seed = known, control, seed
        self.threshold, self.pairwise = threshold, pairwise
        self.supernets: list[SuperNetOutcome] = []
        self.controls: list[SuperNetOutcome] = []

    def plan(self, space: Any) -> Plan[Results]:
        """Yield the jobs of the search; the answer is all results, best first.

        Parameters
        ----------
        space
            Model space, or label -> mutable.
        """
        sampler = LandmarkSampler(space, threshold=self.threshold, pairwise=self.pairwise,
                                  seed=self.seed)
        landmarks = sampler.sample(self.landmarks)
        known = Results([], []) if self.known is None else read_results(self.known)
        results = Results(list(known.samples), list(known.metrics))
        failed = yield from self._measure(_without(landmarks, known.samples), results,
                                          'landmark')
        if failed:
            failed += yield from self._replace(failed, landmarks, results, sampler)
        for iteration in range(self.iterations):
            top = self.top + len(failed)  # as those may be among the best
            supernet = yield from self._train_supernets(results, iteration, top)
            best = _without(supernet.best, failed)[:self.top]
            failed += yield from self._measure(best, results, f'best {iteration + 1}')
        order = sorted(range(len(results.samples)), key=lambda i: -results.metrics[i])
        return Results([results.samples[i] for i in order], [results.metrics[i] for i in order])

    def _measure(self, samples: Sequence[Sample], results: Results,
                 stage: str) -> Plan[list[Sample]]:
        """Train architectures stand-alone, append to `results` and return those that failed."""
        metrics = yield [StandAlone(sample, stage) for sample in samples]
        for sample, metric in zip(samples, metrics):
            if not isinstance(metric, Failure):
                results.samples.append(sample)
                results.metrics.append(metric)
        return [sample for sample, metric in zip(samples, metrics) if isinstance(metric, Failure)]

    def _replace(self, failed: Sequence[Sample], landmarks: Sequence[Sample], results: Results,
                 sampler: LandmarkSampler) -> Plan[list[Sample]]:
        """Train others in place of failed landmarks and return which fail; go on without, too."""
        others: list[Sample] = []
        try:
            drawn = sampler.sample(len(landmarks) + len(failed), root=landmarks[0])
            others = _without(drawn, [*landmarks, *results.samples])[:len(failed)]
            _logger.warning('Replacing %d landmarks that failed by %d others.', len(failed),
                            len(others))
            return (yield from self._measure(others, results, 'landmark'))
        except (SearchError, ValueError) as error:  # all fail, or the space has no others
            _logger.warning('Going on with fewer landmarks: %s', error)
            return others

    def _train_supernets(self, results: Results, iteration: int,
                         top: int) -> Plan[SuperNetOutcome]:
        """Train the super-net, and that of the control, on all results so far."""
        known = Results(list(results.samples), list(results.metrics))
        arms = [('supernet', self.oneshot, self.supernets, top)]
        if self.control is not None:
            arms.append(('control', self.control, self.controls, 0))
        outcomes = yield [
            SuperNet(oneshot, known, count, before[-1].weights if before else None,
                     self._weights_file(name, iteration), f'{name} {iteration + 1}')
            for name, oneshot, before, count in arms]
        for (name, _, before, _), outcome in zip(arms, outcomes):
            if isinstance(outcome, Failure):
                raise SearchError(f'Expected the {name} of iteration {iteration + 1} to be '
                                  f'trained, got:\n{outcome.error}')
            before.append(outcome)
        return outcomes[0]

    def _weights_file(self, name: str, iteration: int) -> str:
        path = self.archive.path
        return str(path.with_name(f'{path.stem}-{name}-{iteration + 1}.pt'))

    def _initialize(self, model_space: ExecutableModelSpace,
                    engine: ExecutionEngine) -> ExecutableModelSpace:
        if not isinstance(model_space, SimplifiedModelSpace):
            raise TypeError("Expected the model format 'simplified' in the experiment's "
                            f'configuration, got a {type(model_space).__name__}.')
        return model_space

    def _run(self) -> None:
        """Drive the plan with the experiment's engine; NNI calls this."""
        space = self.model_space.simplify()
        runner = EngineRunner(self.engine, self.model_space, self.supernet_evaluator)
        # What cannot be serialised is refused now, not after hours of training landmarks.
        for oneshot in filter(None, [self.oneshot, self.control]):
            runner.describe(SuperNet(oneshot, Results([], []), self.top))
        self._check_archive(runner.describe(StandAlone(UniformSampler(space).sample())))
        drive(self.plan(space), runner, self.archive)

    def _check_archive(self, description: str) -> None:
        """Refuse results of another space or evaluator: their metrics are not comparable."""
        digest = hashlib.sha256(description.encode()).hexdigest()
        recorded = self.archive.job_result('evaluation')
        if recorded is None:
            self.archive.record_job('evaluation', 'evaluation', {})
            self.archive.record_result('evaluation', {'digest': digest})
        elif recorded['digest'] != digest:
            raise ValueError(f'Expected an archive of this space and evaluator, got '
                             f'{self.archive.path} of another. Give another file as archive, or '
                             'pass this one as `known` if its metrics are comparable.')
        _logger.info('Results are kept in %s; %d are there.', self.archive.path, len(self.archive))

    def list_models(self, sort: bool = True,
                    limit: int | None = None) -> Iterator[ExecutableModelSpace]:
        """Yield the stand-alone trained architectures, also those of an earlier start, in order.

        Parameters
        ----------
        sort
            Whether to sort by metric, best first; otherwise in the order of their training.
        limit
            Number of models; None yields all.
        """
        results = self.archive.results()
        order = list(range(len(results.samples)))
        if sort:
            order.sort(key=lambda index: -results.metrics[index])
        for index in order[:limit]:
            model = self.model_space.freeze(results.samples[index])
            model.metrics.final = results.metrics[index]
            model.status = ModelStatus.Trained
            yield model

    def state_dict(self) -> dict:
        """Return nothing: the archive keeps the state, the moment it changes."""
        return {}

    def load_state_dict(self, state_dict: dict) -> None:
        """Do nothing: the search continues from its archive."""


def _without(samples: Sequence[Sample], excluded: Sequence[Sample]) -> list[Sample]:
    keys = {sample_key(sample) for sample in excluded}
    return [sample for sample in samples if sample_key(sample) not in keys]
