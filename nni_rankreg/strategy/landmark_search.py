"""LandmarkSearch: the multi-stage search of landmark regularisation as an NNI strategy."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..archive import Archive
from ..plan import Failure, Plan, SearchError, SuperNet, SuperNetOutcome
from ..predictor import normal_scores_among
from ..sampler import LandmarkSampler
from ..search import UniformDraw
from ..table import ResultsSource
from ..typing import Results, Sample, sample_key, without
from .ledger import Ledger
from .multistage import PlanStrategy
from .oneshot import SuperNetStrategy

__all__ = ['LandmarkSearch', 'Landmarks']

_logger = logging.getLogger(__name__)

_REFERENCE = 100  # random architectures among which the scores of a super-net are normal scores


@dataclass(frozen=True)
class Landmarks:
    """How many landmarks a search trains, beside what its super-nets find best.

    Parameters
    ----------
    count
        M, the number of the first ones, which are diverse.
    threshold, pairwise
        See `LandmarkSampler`: which distance is too small, and whether it holds between any two.
    random
        Number of landmarks that are drawn at random and trained with the best architectures of
        each iteration: what the super-net predicted of them tells how far it can be trusted, see
        `Reliability`. The paper has none.

    Raises
    ------
    ValueError
        If the count is not positive, or `random` is negative.

    Examples
    --------
    >>> Landmarks(30, pairwise=True).count
    30
    """

    count: int = 10
    threshold: int | None = None
    pairwise: bool = False
    random: int = 2

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f'Expected landmarks of at least 1, got {self.count}.')
        if self.random < 0:
            raise ValueError(f'Expected random landmarks of at least 0, got {self.random}.')


class LandmarkSearch(PlanStrategy):
    """Landmarks, super-net, best architectures, which become landmarks: in several iterations.

    Source: Yu, Ranftl and Salzmann, "Landmark Regularization", CVPR 2021, Algorithm 1 and Fig. 2.
    Diverse landmarks are trained stand-alone; the super-net is trained with all results so far
    and continues from the weights of the iteration before; its best new architectures are trained
    stand-alone, and some random ones, by which the super-net is judged, see `reliability`. Every
    training is a trial.

    Parameters
    ----------
    oneshot
        Trains the super-net, for example ``SPOS(regularizers=[LandmarkRegularizer()])``. Its
        filter holds for landmarks, too. If its evolution is a `ParetoFront`, the members of that
        front are trained, and the answer is the front of metric and costs.
    supernet_evaluator
        NNI Lightning evaluator of the super-net training; that of the experiment trains the
        stand-alone architectures.
    iterations, top
        T, and the number of best architectures of each iteration.
    landmarks
        How many are trained first, M, or a recipe that says also how diverse they are.
    archive
        File of all results and of the recorded jobs. Starting again with the same file continues
        an interrupted search: what it holds is not run again.
    known
        Landmarks from elsewhere (another archive, a table, a CSV file), in addition.
    mode
        ``'max'``, or ``'min'`` if the metric of the evaluators and of `known` is better the lower
        it is, such as a loss. The archive and the models keep its sign.
    control
        Another one-shot strategy, whose super-net is trained beside `oneshot` in every iteration
        for comparison, for example plain SPOS at equal cost; it has no say in the search.
    work_dir
        Folder in which trials exchange the super-nets' weights; on several machines it must be
        one that all share, under the same path. None is that of the archive.
    seed
        Of the landmarks.

    Attributes
    ----------
    supernets, controls
        Outcomes of the super-net trainings of the last `plan`, one for each iteration.

    Raises
    ------
    ValueError
        If a count is not positive or the mode is unknown.

    Examples
    --------
    >>> from nni_rankreg.regularizer import LandmarkRegularizer
    >>> from nni_rankreg.strategy import SPOS
    >>> search = LandmarkSearch(oneshot=SPOS(regularizers=[LandmarkRegularizer()]),
    ...                         supernet_evaluator=None, iterations=3, landmarks=10, top=10,
    ...                         archive='runs/search.sqlite')
    >>> # NasExperiment(space, evaluator, search).run()
    """

    def __init__(self, oneshot: SuperNetStrategy, supernet_evaluator: Any, *, iterations: int = 3,
                 landmarks: int | Landmarks = 10, top: int = 10,
                 archive: Archive | str | Path = 'runs/landmark_search.sqlite',
                 known: ResultsSource | None = None, mode: str = 'max',
                 control: SuperNetStrategy | None = None, work_dir: str | Path | None = None,
                 seed: int = 0):
        costs = getattr(getattr(oneshot, 'evolution', None), 'costs', ())
        super().__init__(supernet_evaluator, archive, mode, work_dir, known, costs)
        for name, value in dict(iterations=iterations, top=top).items():
            if value < 1:
                raise ValueError(f'Expected {name} of at least 1, got {value}.')
        self.oneshot = oneshot
        self.landmarks = landmarks if isinstance(landmarks, Landmarks) else Landmarks(landmarks)
        self.iterations, self.top = iterations, top
        self.control, self.seed = control, seed
        self.supernets: list[SuperNetOutcome] = []
        self.controls: list[SuperNetOutcome] = []

    def plan(self, space: Any) -> Plan[Results]:
        """Yield the jobs of the search; the answer is all results, best first.

        Inside, as in the super-nets, higher is better; the answer has the sign of the evaluator.

        Parameters
        ----------
        space
            Model space, or label -> mutable.
        """
        self.supernets, self.controls = [], []
        sampler = LandmarkSampler(
            space, threshold=self.landmarks.threshold, pairwise=self.landmarks.pairwise,
            seed=self.seed, accept=self.oneshot.filter)
        landmarks = sampler.sample(self.landmarks.count)
        ledger = Ledger(self.known_results(space))
        yield from self.train_stand_alone(without(landmarks, ledger.tried), ledger, 'landmark')
        if ledger.failed:
            yield from self._replace(landmarks, ledger, sampler)
        for iteration in range(self.iterations):
            top = self.top + len(ledger.failed)  # as those may be among the best
            supernet = yield from self._train_supernets(ledger.so_far(), iteration, top)
            best = without(supernet.best, ledger.failed)[:self.top]
            yield from self._train_best(space, iteration, supernet, best, ledger)
        return self.best_of(ledger.results.in_mode(self.mode))

    def _replace(self, landmarks: Sequence[Sample], ledger: Ledger,
                 sampler: LandmarkSampler) -> Plan[None]:
        """Train others in place of failed landmarks; go on without if they fail, too."""
        count, others = len(ledger.failed), list[Sample]()
        try:
            drawn = sampler.sample(len(landmarks) + count, root=landmarks[0])
            others = without(drawn, [*landmarks, *ledger.results.samples])[:count]
            _logger.warning('Replacing %d landmarks that failed by %d others.', count, len(others))
            yield from self.train_stand_alone(others, ledger, 'landmark')
        except (SearchError, ValueError) as error:  # all fail, or the space has no others
            _logger.warning('Going on with fewer landmarks: %s', error)
            ledger.failed.extend(others)

    def _train_best(self, space: Any, iteration: int, supernet: SuperNetOutcome,
                    best: Sequence[Sample], ledger: Ledger) -> Plan[None]:
        """Train the best architectures by a super-net, and random ones, by which it is judged."""
        draw, stage = self._draw(iteration), f'best {iteration + 1}'
        if draw is None:
            yield from self.train_stand_alone(best, ledger, stage)
            return
        drawn, labels = draw.samples(space), supernet.weak['supernet']
        random = without(drawn, [*ledger.tried, *best])[:self.landmarks.random]
        score = dict(zip(map(sample_key, [*drawn, *supernet.best]), labels))
        chosen = [*best, *random]
        predicted = normal_scores_among([score[sample_key(one)] for one in chosen],
                                        labels[:len(drawn)]).tolist()
        yield from self.train_predicted(chosen, [False] * len(best) + [True] * len(random),
                                        {'supernet': predicted}, ledger, stage)

    def _draw(self, iteration: int) -> UniformDraw | None:
        """Return what draws the random architectures of an iteration, here and in its trial."""
        if not self.landmarks.random:
            return None
        return UniformDraw(_REFERENCE, self.seed + 1 + iteration, self.oneshot.filter)

    def _train_supernets(self, results: Results, iteration: int,
                         top: int) -> Plan[SuperNetOutcome]:
        """Train the super-net, and that of the control, on all results so far."""
        arms = [('supernet', self.oneshot, self.supernets, top, self._draw(iteration))]
        if self.control is not None:
            arms.append(('control', self.control, self.controls, 0, None))
        outcomes = yield [
            SuperNet(oneshot, results, count, before[-1].weights if before else None,
                     self.shared_file(f'{name}-{iteration + 1}.pt'), f'{name} {iteration + 1}',
                     weak)
            for name, oneshot, before, count, weak in arms]
        for (name, _, before, *_), outcome in zip(arms, outcomes):
            if isinstance(outcome, Failure):
                raise SearchError(f'Expected the {name} of iteration {iteration + 1} to be '
                                  f'trained, got:\n{outcome.error}')
            before.append(outcome)
        return outcomes[0]

    def supernet_jobs(self) -> list[SuperNet]:
        """Return a job of each super-net and one of the control."""
        none = Results([], [], 'max')
        return [*(SuperNet(self.oneshot, none, self.top, weak=self._draw(iteration))
                  for iteration in range(self.iterations)),
                *([SuperNet(self.control, none, 0)] if self.control is not None else [])]
