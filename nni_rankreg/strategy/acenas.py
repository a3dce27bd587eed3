"""AceNAS: a predictor that learns to rank from weak labels and few trained architectures.

The super-net's trial returns the weak labels of a `UniformDraw`: both sides draw the same
architectures from count, seed and constraint, so that only numbers return, as a result must be
below 1 MB. They are kept beside the archive, in a file that the next search can name as ``weak``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from nni.nas.evaluator import Evaluator

from .._util.size import check_count
from ..archive import Archive
from ..constraint import Cost
from ..plan import Failure, Plan, SearchError, SuperNet, SuperNetOutcome
from ..predictor import (
    Ensemble,
    Evidence,
    Predictor,
    Ranker,
    WeakLabels,
    read_weak,
)
from ..predictor.weak import WeakSource
from ..search import UniformDraw
from ..supernet.weak_label import LABELS
from ..table import ResultsSource
from ..typing import Results
from .acenas_recipe import CandidatePool, Rounds, WeakLabelling
from .argument import check_evidence, check_oneshot, check_predictor, check_type
from .loop import Chosen, ClosedLoop
from .multistage import PlanStrategy
from .oneshot import SuperNetStrategy

__all__ = ['AceNAS']

_logger = logging.getLogger(__name__)


class AceNAS(PlanStrategy):
    """Rank all architectures by a predictor that is trained on few; train the best of them.

    A first round of architectures is drawn from the best by the evidence, such as zero-cost
    proxies. In each further round the predictor learns from structure, evidence, weak labels of a
    super-net if there is one, and all results so far. The architectures that it predicts best are
    trained stand-alone. Each prediction is recorded before the training and compared with the
    result after it: `reliability` tells how far predictions can be trusted. Every training is a
    trial.

    Source: Zhang et al., "AceNAS: Learning to Rank Ace Neural Architectures with Weak Supervision
    of Weight Sharing", 2021, Algorithm 1; `as_published` is the search of this paper.

    Parameters
    ----------
    supernet
        Trains the super-net that gives weak labels, with regularisers or not; None for none. If a
        regulariser needs landmarks, the first round is trained before, see `Rounds`. Weak labels
        are scores of the super-net alone, whatever the evidence of this strategy says.
    supernet_evaluator
        NNI Lightning evaluator of the super-net training; that of the experiment trains the
        stand-alone architectures.
    evidence
        What is known of architectures before any training, such as zero-cost proxies; None for
        nothing.
    weak
        A `WeakLabelling`, which says for how many architectures the super-net gives weak labels; or
        weak labels from elsewhere, such as the path of a CSV file, and then no super-net is
        trained; None for none.
    rounds
        How many architectures each round trains, and how they are chosen.
    budget
        Number of stand-alone trainings in all rounds together.
    candidates
        Which architectures may be trained, and how many of them the predictor looks at.
    costs
        What architectures cost, such as a measured latency: functions of N architectures, lower is
        better, see `as_cost`. With costs the search is for the front of metric and costs. Trainings
        go where the dominated hypervolume is expected to grow, ``export_top_models`` returns the
        front in order, and the archive and the web UI have the costs beside the metrics. Without
        costs the search is for the best metric.
    predictor
        Makes the predictor from space and evidence, such as ``lambda space, evidence:
        Ensemble(space, evidence=evidence)``. None is this, with the seed.
    archive
        File of all results and of the recorded jobs. Starting again with the same file continues
        an interrupted search; jobs with a result in the file are not run again.
    known
        Results from elsewhere (the archive of another search, a table, a CSV file), from which the
        predictor learns; these do not count as budget.
    mode
        ``'max'``, or ``'min'`` if lower metrics of the evaluator are better, such as losses.
    work_dir
        Folder in which trials leave the super-net's weights. Several machines must share the folder
        under the same path. None is the folder of the archive.
    seed
        Of all draws and of the predictor.

    Attributes
    ----------
    supernet_outcome
        What the super-net's training has returned in the last `plan`, None before a plan.
    predictor
        The predictor of the last `plan`, None before a plan.

    Raises
    ------
    TypeError
        If `supernet`, `evidence`, `weak`, `rounds` or `candidates` is of another type, or
        `predictor` does not take a space and evidence.
    ValueError
        If the budget is no whole number, or does not fit the rounds.

    Examples
    --------
    >>> from nni_rankreg.strategy import SPOS
    >>> search = AceNAS(supernet=SPOS(metric='val_acc'), supernet_evaluator=None, budget=50,
    ...                 archive='runs/acenas.sqlite')
    >>> # NasExperiment(space, evaluator, search).run()

    The front of accuracy and latency; the models of the experiment have ``objectives``:

    >>> from nni_rankreg.constraint import AdditiveLatency
    >>> latency = AdditiveLatency({'op': {'conv': 2., 'skip': 0.}}, base=5.)
    >>> search = AceNAS(costs=[latency], budget=30, archive='runs/front.sqlite')
    """

    def __init__(self, supernet: SuperNetStrategy | None = None,  # noqa: PLR0913
                 supernet_evaluator: Evaluator | None = None, *, evidence: Evidence | None = None,
                 weak: WeakLabelling | WeakSource | None = WeakLabelling(),
                 rounds: Rounds = Rounds(), budget: int = 100,
                 candidates: CandidatePool = CandidatePool(), costs: Sequence[Cost] = (),
                 predictor: Callable[[Any, Evidence | None], Predictor] | None = None,
                 archive: Archive | str | Path = 'runs/acenas.sqlite',
                 known: ResultsSource | None = None, mode: str = 'max',
                 work_dir: str | Path | None = None, seed: int = 0):
        if supernet is not None:
            check_oneshot('supernet', supernet)
        super().__init__(supernet_evaluator, archive, mode, work_dir, known, costs)
        check_type('weak', weak, WeakLabelling, WeakLabels, str, Path, type(None))
        check_type('rounds', rounds, Rounds)
        check_type('candidates', candidates, CandidatePool)
        check_evidence(evidence)
        check_predictor(predictor)
        check_count('budget', budget)
        if max(rounds.first, rounds.landmarks or 0) > budget:
            raise ValueError('Expected a budget of at least the first round and the landmarks, got '
                             f'{budget} for {rounds.first} and {rounds.landmarks or 0}.')
        if isinstance(supernet, SuperNetStrategy) and supernet.evidence:
            _logger.warning('The evidence of the strategy of the super-net is not used by AceNAS; '
                            'give it to AceNAS: AceNAS(evidence=...).')
        self.supernet, self.evidence, self.weak = supernet, evidence, weak
        self.rounds, self.budget = rounds, budget
        self.candidates, self.make_predictor, self.seed = candidates, predictor, seed
        self.supernet_outcome: SuperNetOutcome | None = None
        self.predictor: Predictor | None = None

    @classmethod
    def as_published(cls, supernet: SuperNetStrategy | None = None,
                     supernet_evaluator: Evaluator | None = None, *, budget: int = 100,
                     landmarks: int | None = None, seed: int = 0, **arguments: Any) -> AceNAS:
        """Return the search of the paper: a `Ranker` alone, five rounds, half of each at random.

        Parameters
        ----------
        supernet, supernet_evaluator, seed
            As of `AceNAS`.
        budget, landmarks
            As of `Rounds.as_published`.
        **arguments
            Further arguments of `AceNAS`.

        Raises
        ------
        ValueError
            If the budget is less than 10.

        Notes
        -----
        .. note::
            In the published code the ten best of the end may have been trained before. Here all ten
            are new, so that budget + 10 architectures are trained.
        """
        rounds = Rounds.as_published(budget, landmarks=landmarks)
        return cls(supernet, supernet_evaluator, budget=budget, seed=seed, **{
            'rounds': rounds, 'predictor': partial(_ranker, seed=seed), **arguments})

    def plan(self, space: Any) -> Plan[Results]:
        """Yield the jobs of the search; the answer is all results, or with costs the front.

        Either is best metric first.

        Parameters
        ----------
        space
            Model space, or label -> mutable.
        """
        self.supernet_outcome = None
        evidence = None if self.evidence is None else self.evidence.kept_in(self.archive)
        predictor = self.predictor = (self.make_predictor or self._ensemble)(space, evidence)
        known = self.known_results(space)
        candidates = self.candidates.of(space, self.seed, evidence, known.best_first().samples,
                                        costs=bool(self.costs))
        loop = ClosedLoop(candidates, predictor, evidence, self.rounds, known, self.costs)
        if landmarks := self.trained_before_supernet:
            yield from self._train(loop.first(landmarks), loop, 'landmark')
        weak = yield from self._weak_labels(space, loop.ledger.so_far())
        if weak is not None:
            loop.use(weak)
        for number, end in enumerate(self.rounds.ends(self.budget), 1):
            count = max(0, end - loop.ledger.trainings)
            yield from self._train(loop.next(count), loop, f'round {number}')
        last = loop.last(self.rounds.top, self.candidates.generations)
        yield from self._train(last, loop, 'best')
        return self.best_of(loop.ledger.results.in_mode(self.mode))

    @property
    def trained_before_supernet(self) -> int:
        """The number of landmarks: those of the rounds, or the first round if some are needed."""
        if self.rounds.landmarks is not None:
            return self.rounds.landmarks
        needed = self.known is None and any(
            isinstance(job.oneshot, SuperNetStrategy) and job.oneshot.needs_results
            for job in self.supernet_jobs())
        return self.rounds.first if needed else 0

    def check(self, space: Any, evaluator: Any) -> None:
        """Refuse what cannot be searched, also constraints that accept no candidate."""
        super().check(space, evaluator)
        self.candidates.check(space, self.seed)

    def _ensemble(self, space: Any, evidence: Evidence | None) -> Ensemble:
        return Ensemble(space, evidence=evidence, seed=self.seed)

    def _train(self, chosen: Chosen, loop: ClosedLoop, stage: str) -> Plan[None]:
        """Train the architectures of a round; go on if all fail, unless something else is wrong."""
        samples = [*chosen.best, *chosen.random]
        if not samples:
            return
        random = [False] * len(chosen.best) + [True] * len(chosen.random)
        ledger = loop.ledger
        try:
            yield from self.train_predicted(samples, random, loop.forecast(samples), ledger, stage)
        except SearchError as error:
            ledger.enter(samples, [Failure(str(error))] * len(samples))
            if not ledger.results.samples or ledger.failing >= self.rounds.first:
                raise
            _logger.warning('Going on after a round in which all trainings failed.')

    def _weak_labels(self, space: Any, results: Results) -> Plan[WeakLabels | None]:
        """Return the weak labels, None if there are none; train the super-net for them."""
        if self.weak is None:
            return None
        if not isinstance(self.weak, WeakLabelling):
            return read_weak(self.weak, space).finite()
        if self.supernet is None and not self.weak.scorers:
            return None
        labels: dict[str, list[float]] = {}
        if self.supernet is not None:
            self.supernet_outcome, = yield [self._labelling_job(self.weak, results)]
            found = self.supernet_outcome.weak     # in any order, as the archive keeps it
            labels.update((name, found[name]) for name in LABELS if name in found)
        samples = self._draw(self.weak).samples(space)
        labels.update((name, scorer(samples).tolist())
                      for name, scorer in self.weak.scorers.items())
        return self._kept(WeakLabels(samples, labels))

    def _kept(self, weak: WeakLabels) -> WeakLabels:
        """Write the weak labels into a file, without architectures that have no finite ones."""
        finite = weak.finite()
        if len(finite.samples) < len(weak.samples):
            _logger.warning('Leaving out %d of %d architectures without finite weak labels.',
                            len(weak.samples) - len(finite.samples), len(weak.samples))
        finite.to_csv(self.file('weak.csv'))
        return finite

    def supernet_jobs(self) -> list[SuperNet]:
        """Return the job of the super-net, if there is one."""
        if self.supernet is None or not isinstance(self.weak, WeakLabelling):
            return []
        return [self._labelling_job(self.weak, Results([], [], 'max'))]

    def _labelling_job(self, weak: WeakLabelling, results: Results) -> SuperNet:
        return SuperNet(self.supernet, results, 0, save=self.shared_file('supernet.pt'),
                        weak=self._draw(weak), accept=self.candidates.accept)

    def _draw(self, weak: WeakLabelling) -> UniformDraw:
        """Return what draws the architectures with weak labels, here and in the trial."""
        return UniformDraw(weak.count, self.seed, self.candidates.accept)


def _ranker(space: Any, evidence: Evidence | None, *, seed: int) -> Ranker:
    return Ranker(space, evidence=evidence, seed=seed)
