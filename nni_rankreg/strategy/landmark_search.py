"""LandmarkSearch: the multi-stage search of landmark regularisation as an NNI strategy."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nni.nas.evaluator import Evaluator

from .._util.size import check_count
from ..archive import Archive
from ..plan import Failure, Plan, SearchError, SuperNet, SuperNetOutcome
from ..predictor import Evidence
from ..sampler import LandmarkSampler
from ..sampler.rejection import once
from ..search import UniformDraw
from ..space import canonical_form
from ..table import ResultsSource
from ..typing import Accept, Results, Sample, sample_key, without
from .argument import check_evidence, check_oneshot
from .judgement import Judgement, among_first
from .landmark_recipe import Landmarks
from .ledger import Ledger
from .multistage import PlanStrategy
from .oneshot import SuperNetStrategy

__all__ = ['LandmarkSearch']

_logger = logging.getLogger(__name__)

_REFERENCE = 100  # random architectures among which the scores of a super-net are normal scores
_CONSIDERED = 100  # best architectures of a super-net of which more is known by evidence


class LandmarkSearch(PlanStrategy):
    """Train landmarks, a super-net on these, and its best architectures as the next landmarks.

    Source: Yu, Ranftl and Salzmann, "Landmark Regularization", CVPR 2021, Algorithm 1 and Fig. 2.
    First diverse landmarks are trained stand-alone. In each iteration the super-net is trained with
    all results so far, and continues from its weights of the iteration before. Then its best new
    architectures are trained stand-alone, and some random ones, by which the super-net is judged,
    see `reliability`. Every training is a trial.

    With evidence, the first landmarks are drawn from the better half by the vote of the evidence.
    In each iteration a predictor learns from structure, evidence and all results. The best of the
    super-net are then ranked by super-net and predictor on average, and the first are trained.

    Parameters
    ----------
    oneshot
        Trains the super-net, for example ``SPOS(regularizers=[LandmarkRegularizer()])``. The filter
        of this strategy holds for landmarks, too. If its evolution is a `ParetoFront`, the members
        of that front are trained, whatever the evidence says, and the search returns the front of
        metric and costs.
    supernet_evaluator
        NNI Lightning evaluator of the super-net training; that of the experiment trains the
        stand-alone architectures.
    evidence
        What is known of architectures before any training, such as zero-cost proxies. The archive
        keeps the scores, and `reliability` tells how far each scorer can be trusted. None for
        nothing, as published.
    iterations, top
        T, and the number of best architectures of each iteration, of functional twins one.
    landmarks
        How many landmarks are trained first, M, or `Landmarks`, which say also how diverse.
    archive
        File of all results and of the recorded jobs. Starting again with the same file continues
        an interrupted search; jobs with a result in the file are not run again.
    known
        Landmarks from elsewhere (another archive, a table, a CSV file), in addition.
    mode
        ``'max'``, or ``'min'`` if lower metrics of the evaluators and of `known` are better, such
        as losses. The archive and the models keep the sign of the metric.
    control
        Another one-shot strategy, whose super-net is trained beside `oneshot` in every iteration
        for comparison, for example plain SPOS at equal cost. The control does not influence the
        search.
    work_dir
        Folder in which trials exchange the super-nets' weights. Several machines must share the
        folder under the same path. None is the folder of the archive.
    seed
        Of the landmarks.

    Attributes
    ----------
    supernets, controls
        Outcomes of the super-net trainings of the last `plan`, one for each iteration.

    Raises
    ------
    TypeError
        If `oneshot` or `control` is none of our one-shot strategies, or `evidence` no `Evidence`.
    ValueError
        If a count is no whole number from 1 up, or the mode is unknown.

    Examples
    --------
    >>> from nni_rankreg.regularizer import LandmarkRegularizer
    >>> from nni_rankreg.strategy import SPOS
    >>> search = LandmarkSearch(oneshot=SPOS(regularizers=[LandmarkRegularizer()]),
    ...                         supernet_evaluator=None, iterations=3, landmarks=10, top=10,
    ...                         archive='runs/search.sqlite')
    >>> # NasExperiment(space, evaluator, search).run()
    """

    def __init__(self, oneshot: SuperNetStrategy, supernet_evaluator: Evaluator | None, *,
                 evidence: Evidence | None = None, iterations: int = 3,
                 landmarks: int | Landmarks = 10, top: int = 10,
                 archive: Archive | str | Path = 'runs/landmark_search.sqlite',
                 known: ResultsSource | None = None, mode: str = 'max',
                 control: SuperNetStrategy | None = None, work_dir: str | Path | None = None,
                 seed: int = 0):
        check_oneshot('oneshot', oneshot)
        if control is not None:
            check_oneshot('control', control)
        check_evidence(evidence)
        super().__init__(supernet_evaluator, archive, mode, work_dir, known, oneshot.costs)
        check_count('iterations', iterations)
        check_count('top', top)
        self.oneshot, self.evidence = oneshot, evidence
        self.landmarks = landmarks if isinstance(landmarks, Landmarks) else Landmarks(landmarks)
        self.iterations, self.top = iterations, top
        self.control, self.seed = control, seed
        self.supernets: list[SuperNetOutcome] = []
        self.controls: list[SuperNetOutcome] = []

    @property
    def trained_before_supernet(self) -> int:
        """The number of landmarks."""
        return self.landmarks.count

    def plan(self, space: Any) -> Plan[Results]:
        """Yield the jobs of the search; the answer is all results, best first.

        Inside, as in the super-nets, higher is better; the answer has the sign of the evaluator.

        Parameters
        ----------
        space
            Model space, or label -> mutable.
        """
        self.supernets, self.controls = [], []
        judgement = None if self.evidence is None else Judgement(
            space, self.evidence.kept_in(self.archive), self.seed)
        sampler = self._sampler(space, judgement)
        landmarks = sampler.sample(self.landmarks.count)
        ledger = Ledger(self.known_results(space))
        yield from self._train_first(without(landmarks, ledger.tried), ledger, judgement)
        if ledger.failed:
            yield from self._replace(landmarks, ledger, sampler)
        for iteration in range(self.iterations):
            top = self._count + len(ledger.failed)  # as those may be among the best
            supernet = yield from self._train_supernets(ledger.so_far(), iteration, top)
            yield from self._train_best(space, iteration, supernet, ledger, judgement)
        return self.best_of(ledger.results.in_mode(self.mode))

    def _sampler(self, space: Any, judgement: Judgement | None) -> LandmarkSampler:
        """Return what draws the first landmarks."""
        recipe, filter = self.landmarks, self.oneshot.filter
        promising: Accept | None = None
        if judgement is not None and recipe.share < 1:
            drawn = UniformDraw(_REFERENCE, self.seed, filter).samples(space)
            promising = judgement.promising(recipe.share, drawn)
        return LandmarkSampler(
            space, threshold=recipe.threshold, pairwise=recipe.pairwise, seed=self.seed,
            accept=[one for one in (filter, promising) if one is not None])

    def _train_first(self, landmarks: Sequence[Sample], ledger: Ledger,
                     judgement: Judgement | None) -> Plan[None]:
        """Train the first landmarks; keep what evidence says of them before."""
        if judgement is None or not landmarks:
            yield from self.train_stand_alone(landmarks, ledger, 'landmark')
            return
        yield from self.train_predicted(landmarks, [False] * len(landmarks),
                                        judgement.evidence.by_source(landmarks), ledger, 'landmark')

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

    def _train_best(self, space: Any, iteration: int, supernet: SuperNetOutcome, ledger: Ledger,
                    judgement: Judgement | None) -> Plan[None]:
        """Train the best architectures, and random ones, by which what is said is judged."""
        draw, stage = self._draw(iteration), f'best {iteration + 1}'
        best = without(supernet.best, ledger.failed)
        if draw is None:
            yield from self.train_stand_alone(best[:self.top], ledger, stage)
            return
        drawn = draw.samples(space)
        row = {sample_key(one): row for row, one in enumerate([*drawn, *supernet.best])}
        said = {'supernet': among_first(supernet.weak['supernet'], len(drawn))}
        if judgement is not None:
            said = judgement.of([*drawn, *supernet.best], said['supernet'], len(drawn),
                                ledger.results)
            if not self.costs:
                best.sort(key=lambda one: said['average'][row[sample_key(one)]], reverse=True)
        best = best[:self.top]
        new = once([*ledger.tried, *best], key=canonical_form(space))  # no twins, as the predictor
        random = list(filter(new, drawn))[:self.landmarks.random]       # knows what these come to
        chosen = [*best, *random]
        yield from self.train_predicted(
            chosen, [False] * len(best) + [True] * len(random),
            {source: [values[row[sample_key(one)]] for one in chosen]
             for source, values in said.items()}, ledger, stage)

    @property
    def _count(self) -> int:
        """The number of best architectures that a super-net is asked for."""
        return self.top if self.evidence is None or self.costs else self.top + _CONSIDERED

    def _draw(self, iteration: int) -> UniformDraw | None:
        """Return what draws the random architectures of an iteration, here and in its trial."""
        if not self.landmarks.random and self.evidence is None:
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
        return [*(SuperNet(self.oneshot, none, self._count, weak=self._draw(iteration))
                  for iteration in range(self.iterations)),
                *([SuperNet(self.control, none, 0)] if self.control is not None else [])]
