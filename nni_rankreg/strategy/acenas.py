"""AceNAS: a predictor that learns to rank from weak labels and few trained architectures.

The super-net's trial returns the weak labels of a `UniformDraw`: both sides draw the same
architectures from count, seed and constraint, so that only numbers return, as a result must be
below 1 MB. They are kept beside the archive, in a file that the next search can name as ``weak``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..archive import Archive
from ..plan import Plan, SuperNet, SuperNetOutcome
from ..predictor import Ranker, WeakLabels, read_weak
from ..predictor.weak import WeakSource
from ..search import Candidates, UniformDraw
from ..supernet.weak_label import LABELS
from ..table import ResultsSource
from ..typing import Results, Sample
from .acenas_recipe import CandidatePool, Rounds, WeakLabelling
from .ledger import Ledger
from .multistage import PlanStrategy
from .oneshot import SuperNetStrategy

__all__ = ['AceNAS']

_logger = logging.getLogger(__name__)


class AceNAS(PlanStrategy):
    """Rank all architectures by a predictor that is trained on few; train the best of them.

    Source: Zhang et al., "AceNAS: Learning to Rank Ace Neural Architectures with Weak Supervision
    of Weight Sharing", 2021, Algorithm 1. A super-net gives weak labels of random architectures, on
    which the predictor is pretrained. Architectures are then trained stand-alone in rounds, the
    first at random, the others partly those predicted best; after each round the predictor learns
    to rank all that have been trained. Those predicted best in the end are trained, too. Every
    training is a trial.

    Parameters
    ----------
    supernet
        Trains the super-net that gives weak labels, with regularisers or not; None for none.
    supernet_evaluator
        NNI Lightning evaluator of the super-net training; that of the experiment trains the
        stand-alone architectures.
    weak
        A `WeakLabelling`, whose architectures the super-net labels; or weak labels from elsewhere,
        the path of a CSV file for example: then no super-net is trained; None for none.
    rounds
        In which the stand-alone trainings go on, and how many follow in the end.
    budget
        Number of stand-alone trainings in all rounds together.
    candidates
        Which architectures may be trained, and how many of them the predictor looks at.
    ranker
        Makes the predictor of a space; None is `Ranker`, with the seed.
    archive
        File of all results and of the recorded jobs. Starting again with the same file continues
        an interrupted search: what it holds is not run again.
    known
        Results from elsewhere (the archive of another search, a table, a CSV file), from which the
        predictor learns; they do not count as budget.
    mode
        ``'max'``, or ``'min'`` if lower metrics of the evaluator are better, such as losses.
    work_dir
        Folder in which trials leave the super-net's weights; on several machines it must be one
        that all share, under the same path. None is that of the archive.
    seed
        Of all draws and of the predictor.

    Attributes
    ----------
    supernet_outcome
        Of the super-net training of the last `plan`, None before it.
    predictor
        The `Ranker` of the last `plan`, None before it.

    Raises
    ------
    TypeError
        If `weak`, `rounds` or `candidates` is of another type.
    ValueError
        If the budget does not fit the rounds.

    Notes
    -----
    .. note::
        In the published code, the best of the end may be among those already trained; here all of
        them are new, so that budget + top architectures are trained. On the table of
        NAS-Bench-201, ``Rounds(10, explore=0)`` finds the best with fewer trainings than the
        paper's schedule, the default; there metrics are means of three trainings, see
        docs/results.md.

    Examples
    --------
    >>> from nni_rankreg.strategy import SPOS
    >>> search = AceNAS(supernet=SPOS(metric='val_acc'), supernet_evaluator=None,
    ...                 rounds=Rounds(count=5, explore=0.5, top=10), budget=100,
    ...                 archive='runs/acenas.sqlite')
    >>> # NasExperiment(space, evaluator, search).run()
    """

    def __init__(self, supernet: SuperNetStrategy | None = None, supernet_evaluator: Any = None, *,
                 weak: WeakLabelling | WeakSource | None = WeakLabelling(),
                 rounds: Rounds = Rounds(), budget: int = 100,
                 candidates: CandidatePool = CandidatePool(),
                 ranker: Callable[[Any], Ranker] | None = None,
                 archive: Archive | str | Path = 'runs/acenas.sqlite',
                 known: ResultsSource | None = None, mode: str = 'max',
                 work_dir: str | Path | None = None, seed: int = 0):
        super().__init__(supernet_evaluator, archive, mode, work_dir, known)
        _check('weak', weak, WeakLabelling, WeakLabels, str, Path, type(None))
        _check('rounds', rounds, Rounds)
        _check('candidates', candidates, CandidatePool)
        if budget < 2 * rounds.count or rounds.landmarks > budget:
            raise ValueError('Expected a budget of at least 2 architectures a round, and no more '
                             f'landmarks than that, got {budget} for {rounds.count} rounds and '
                             f'{rounds.landmarks} landmarks.')
        self.supernet, self.weak, self.rounds, self.budget = supernet, weak, rounds, budget
        self.candidates, self.ranker, self.seed = candidates, ranker, seed
        self.supernet_outcome: SuperNetOutcome | None = None
        self.predictor: Ranker | None = None

    def plan(self, space: Any) -> Plan[Results]:
        """Yield the jobs of the search; the answer is all results, best first.

        Parameters
        ----------
        space
            Model space, or label -> mutable.
        """
        self.supernet_outcome = None
        candidates = self.candidates.of(space, self.seed)
        ledger, rounds = Ledger(self.known_results()), self.rounds
        if rounds.landmarks:
            landmarks = candidates.random(rounds.landmarks, ledger.tried)
            yield from self.train_stand_alone(landmarks, ledger, 'landmark')
        ranker = self.predictor = (self.ranker or self._default_ranker)(space)
        weak = yield from self._weak_labels(space, ledger.so_far())
        if weak is not None:
            ranker.pretrain(weak.samples, weak.labels)
        for number in range(1, rounds.count + 1):
            count = max(0, self.budget * number // rounds.count - ledger.trainings)
            chosen = self._choose(count, candidates, ranker, ledger)
            yield from self.train_stand_alone(chosen, ledger, f'round {number}')
        if _can_learn(ledger):
            ranker.fit(ledger.results.samples, ledger.results.metrics)
            best = candidates.best(ranker, rounds.top, exclude=ledger.tried,
                                   generations=self.candidates.generations)
            yield from self.train_stand_alone(best, ledger, 'best')
        return ledger.results.best_first().in_mode(self.mode)

    def _default_ranker(self, space: Any) -> Ranker:
        return Ranker(space, seed=self.seed)

    def _choose(self, count: int, candidates: Candidates, ranker: Ranker, ledger: Ledger
                ) -> list[Sample]:
        """Return new architectures: those predicted best, and others at random."""
        best: list[Sample] = []
        if _can_learn(ledger):
            ranker.fit(ledger.results.samples, ledger.results.metrics)
            number = count - round(self.rounds.explore * count)
            best = candidates.best(ranker, number, exclude=ledger.tried)
        others = candidates.random(count - len(best), exclude=[*ledger.tried, *best])
        return [*best, *others]

    def _weak_labels(self, space: Any, results: Results) -> Plan[WeakLabels | None]:
        """Return the weak labels, None if there are none; train the super-net for them."""
        if self.weak is None:
            return None
        if not isinstance(self.weak, WeakLabelling):
            return read_weak(self.weak).finite()
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
                        weak=self._draw(weak))

    def _draw(self, weak: WeakLabelling) -> UniformDraw:
        """Return what draws the architectures with weak labels, here and in the trial."""
        return UniformDraw(weak.count, self.seed, self.candidates.accept)


def _check(name: str, value: Any, *kinds: type) -> None:
    if not isinstance(value, kinds):
        raise TypeError(f'Expected {name} of type {" or ".join(kind.__name__ for kind in kinds)}, '
                        f'got {value!r}.')


def _can_learn(ledger: Ledger) -> bool:
    return len(ledger.results.samples) > 1
