"""AceNAS: a predictor that learns to rank from weak labels and few trained architectures.

The super-net's trial returns the weak labels of a `UniformDraw`: both sides draw the same
architectures from count, seed and constraint, so that only numbers return, as a result must be
below 1 MB. They are kept beside the archive, in a file that the next search can name as ``weak``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..archive import Archive
from ..host.run.weak_label import LABELS
from ..plan import Plan, SuperNet, SuperNetOutcome
from ..predictor import Ranker, WeakLabels, read_weak
from ..predictor.weak import WeakSource
from ..search import Candidates, UniformDraw
from ..table import ResultsSource
from ..typing import Accept, Results, Sample, Scorer
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
        Number of random architectures with weak labels: their score by the super-net, FLOPs and
        parameters; 0 for none. Or weak labels from elsewhere, the path of a CSV file for example:
        then no super-net is trained.
    labels
        Name -> scorer of further weak labels, such as a `ProxyScorer` or the latency.
    rounds, budget
        Number of rounds; of stand-alone trainings in all rounds together.
    explore
        Share of a round after the first that is drawn at random, 0 to 1.
    top
        Number of architectures that are trained in the end, in addition to the budget.
    landmarks
        How many architectures of the budget are trained before the super-net, as landmarks of its
        regularisers; they are drawn at random.
    ranker
        Makes the predictor of a space; None is `Ranker`, with the seed.
    candidates
        Architectures to search, such as those of a table; None searches the space.
    constraint
        Which architectures count, a function of a sample; the others are neither scored nor
        trained. It travels to the super-net's trial, so it must be serialisable by NNI.
    pool, generations
        How many architectures of a huge space the predictor scores each time, random ones in the
        rounds; in the end, an evolution of so many generations. See `Candidates`.
    archive
        File of all results and of the recorded jobs. Starting again with the same file continues
        an interrupted search: what it holds is not run again.
    known
        Results measured elsewhere (the archive of another search, a table, a CSV file), from which
        the predictor learns; they do not count as budget.
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
        Of the super-net training, None before it.
    predictor
        The `Ranker` of the last search, None before it.

    Raises
    ------
    ValueError
        If a number is out of range.

    Notes
    -----
    .. note::
        In the published code, the best of the end may be among those already trained; here all of
        them are new, so that `budget` + `top` architectures are trained. On the table of
        NAS-Bench-201, ``rounds=10, explore=0`` finds the best with fewer trainings than the paper's
        schedule, the default; there metrics are means of three trainings, see docs/results.md.

    Examples
    --------
    >>> from nni_rankreg.strategy import SPOS
    >>> search = AceNAS(supernet=SPOS(metric='val_acc'), supernet_evaluator=None,
    ...                 rounds=5, budget=100, explore=0.5, top=10, archive='runs/acenas.sqlite')
    >>> # NasExperiment(space, evaluator, search).run()
    """

    def __init__(self, supernet: SuperNetStrategy | None = None, supernet_evaluator: Any = None, *,
                 weak: int | WeakSource = 4000, labels: Mapping[str, Scorer] | None = None,
                 rounds: int = 5, budget: int = 100, explore: float = 0.5, top: int = 10,
                 landmarks: int = 0, ranker: Callable[[Any], Ranker] | None = None,
                 candidates: Sequence[Sample] | None = None,
                 constraint: Accept | None = None, pool: int = 100_000,
                 generations: int = 10, archive: Archive | str | Path = 'runs/acenas.sqlite',
                 known: ResultsSource | None = None, mode: str = 'max',
                 work_dir: str | Path | None = None, seed: int = 0):
        super().__init__(supernet_evaluator, archive, mode, work_dir, known)
        for name, value in dict(rounds=rounds, top=top, pool=pool, generations=generations).items():
            if value < 1:
                raise ValueError(f'Expected {name} of at least 1, got {value}.')
        if budget < 2 * rounds or not 0 <= landmarks <= budget:
            raise ValueError('Expected a budget of at least 2 architectures a round, and no more '
                             f'landmarks than that, got {budget} for {rounds} rounds and '
                             f'{landmarks} landmarks.')
        if not 0 <= explore <= 1:
            raise ValueError(f'Expected a share explore from 0 to 1, got {explore}.')
        self.supernet, self.weak, self.labels = supernet, weak, dict(labels or {})
        self.rounds, self.budget, self.explore, self.top = rounds, budget, explore, top
        self.landmarks, self.ranker, self.candidates = landmarks, ranker, candidates
        self.constraint, self.pool, self.generations = constraint, pool, generations
        self.seed = seed
        self.supernet_outcome: SuperNetOutcome | None = None
        self.predictor: Ranker | None = None

    def plan(self, space: Any) -> Plan[Results]:
        """Yield the jobs of the search; the answer is all results, best first.

        Parameters
        ----------
        space
            Model space, or label -> mutable.
        """
        candidates = Candidates(space, given=self.candidates, accept=self.constraint,
                                pool=self.pool, seed=self.seed)
        known = self.known_results()
        results = Results(list(known.samples), list(known.metrics), 'max')
        tried = list(known.samples)
        if self.landmarks:
            yield from self._try(candidates.random(self.landmarks, tried), results, tried,
                                 'landmark')
        ranker = self.predictor = (self.ranker or self._default_ranker)(space)
        weak = yield from self._weak_labels(space, results)
        if weak is not None:
            ranker.pretrain(weak.samples, weak.labels)
        for number in range(1, self.rounds + 1):
            count = self.budget * number // self.rounds + len(known.samples) - len(tried)
            yield from self._round(max(0, count), candidates, results, tried, f'round {number}')
        if len(results.samples) > 1:
            ranker.fit(results.samples, results.metrics)
            best = candidates.best(ranker, self.top, exclude=tried, generations=self.generations)
            yield from self._try(best, results, tried, 'best')
        return results.best_first().in_mode(self.mode)

    def _default_ranker(self, space: Any) -> Ranker:
        return Ranker(space, seed=self.seed)

    def _round(self, count: int, candidates: Candidates, results: Results,
               tried: list[Sample], stage: str) -> Plan[None]:
        """Train the architectures predicted best, and others at random."""
        best: list[Sample] = []
        if self.predictor is not None and len(results.samples) > 1:
            number = count - round(self.explore * count)
            best = candidates.best(self.predictor.fit(results.samples, results.metrics), number,
                                   exclude=tried)
        others = candidates.random(count - len(best), exclude=[*tried, *best])
        yield from self._try([*best, *others], results, tried, stage)

    def _try(self, samples: list[Sample], results: Results, tried: list[Sample],
             stage: str) -> Plan[None]:
        """Train architectures; those that fail are not proposed again, either."""
        tried.extend(samples)
        yield from self.train_stand_alone(samples, results, stage)

    def _weak_labels(self, space: Any, results: Results) -> Plan[WeakLabels | None]:
        """Return the weak labels, None if there are none; train the super-net for them."""
        if not isinstance(self.weak, int):
            return read_weak(self.weak).finite()
        if self.weak < 1 or self.supernet is None and not self.labels:
            return None
        draw = UniformDraw(self.weak, self.seed, self.constraint)
        samples = draw.samples(space)
        labels: dict[str, list[float]] = {}
        if self.supernet is not None:
            known = Results(list(results.samples), list(results.metrics), 'max')
            self.supernet_outcome, = yield [SuperNet(
                self.supernet, known, 0, save=self.shared_file('supernet.pt'), weak=draw)]
            found = self.supernet_outcome.weak     # in any order, as the archive keeps it
            labels = {name: found[name] for name in LABELS if name in found}
        labels = {**labels, **{name: scorer(samples).tolist()
                               for name, scorer in self.labels.items()}}
        weak = WeakLabels(samples, labels).finite()
        if len(weak.samples) < len(samples):
            _logger.warning('Leaving out %d of %d architectures without finite weak labels.',
                            len(samples) - len(weak.samples), len(samples))
        weak.to_csv(self.file('weak.csv'))
        return weak

    def supernet_jobs(self) -> list[SuperNet]:
        """Return the job of the super-net, if there is one."""
        if self.supernet is None or not isinstance(self.weak, int) or self.weak < 1:
            return []
        return [SuperNet(self.supernet, Results([], []), 0,
                         weak=UniformDraw(self.weak, self.seed, self.constraint))]
