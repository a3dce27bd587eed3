"""The order that teachers give pairs of architectures in one training."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from ..predictor import LearnedTeacher
from ..proxy import ProxyScorer, find_proxy
from ..sampler import UniformSampler
from ..typing import Results, Sample, Scorer, sample_key
from .term import TermContext

__all__ = ['Learner', 'Teacher', 'Teaching', 'learns']


@runtime_checkable
class Learner(Protocol):
    """A teacher that learns from the results of each search before it teaches."""

    def fit(self, samples: Sequence[Sample], metrics: Sequence[float]) -> Scorer:
        """Return what scores, having learnt from N stand-alone metrics, higher is better."""
        ...


Teacher = str | Scorer | Learner | LearnedTeacher
"""Name of a zero-cost proxy, any `Scorer`, a `Learner`, or the recipe of one."""


def learns(teacher: Any) -> bool:
    """Return whether a teacher learns from the results of the search."""
    return isinstance(teacher, (Learner, LearnedTeacher))


_PROBED = 20  # architectures on which a teacher must not be constant


class Teaching:
    """Teachers that vote on the order of pairs; what has been measured needs no vote.

    Proxies look at the first batch of the training. Of a teacher that learns, a copy is fitted to
    the results, so that it can be used again.

    Parameters
    ----------
    teachers
        Names of proxies, and scorers.
    context
        Space and filter of the training, and the loss of the evaluator, which proxies that need
        one take.
    seed
        Of the architectures on which a teacher must not be constant.
    results
        What has been measured, higher is better; None is nothing.

    Attributes
    ----------
    batch
        The batch that proxies see; empty as long as no proxy has seen any.

    Raises
    ------
    ValueError
        If there are fewer than two results to learn from.
    """

    def __init__(self, teachers: Sequence[Teacher], context: TermContext, seed: int,
                 results: Results | None = None):
        results = results or Results([], [], 'max')
        self.teachers, self._results = list(teachers), results
        self._truth: dict[str, tuple[float, ...]] = {
            sample_key(sample): (metric,) for sample, metric in results.pairs()}
        for one in self.teachers:
            if learns(one) and len(self._truth) < 2:
                raise ValueError(f'Expected results for {one!r} to learn from, got '
                                 f'{len(self._truth)}. Give RankingDistillation landmarks, or use '
                                 'it in a LandmarkSearch. If the teacher has learnt already, give '
                                 'its method that scores.')
        self.batch: list[Tensor] = []
        self._loss, self._accept = context.loss, context.accept
        self._space = context.space  # a proxy builds it anew, whatever has become of it
        probe = UniformSampler(context.space, seed, accept=context.accept)
        self._probed = [probe.sample() for _ in range(_PROBED)]
        self._scorers: list[Scorer] = []
        self._scores: dict[str, tuple[float, ...]] = {}

    def start(self, first_batch: Callable[[], Any]) -> None:
        """Make scorers of all teachers, unless they are made already.

        Parameters
        ----------
        first_batch
            Returns the batch that proxies see.

        Raises
        ------
        ValueError
            If a teacher gives the same score to 20 architectures, as then it orders nothing.
        """
        if self._scorers:
            return
        batch = first_batch()
        self._scorers = [self._scorer(teacher, batch) for teacher in self.teachers]
        for teacher, scorer in zip(self.teachers, self._scorers):
            scores = scorer(self._probed)
            finite = scores[scores.isfinite()].tolist()
            if len(set(finite)) < 2:
                raise ValueError(f'Expected a teacher that orders architectures, got {teacher!r}, '
                                 f'which gives {_PROBED} random ones no different scores; '
                                 f'{len(finite)} of them are finite.')

    def restart(self, batch: list[Tensor]) -> None:
        """Let proxies see a batch of an interrupted training."""
        self.batch, self._scorers = batch, []

    def look(self, samples: Sequence[Sample]) -> None:
        """Score architectures that have no scores yet, all at once: some teachers are slow."""
        new = {key: sample for key, sample in zip(map(sample_key, samples), samples)
               if key not in self._scores}
        if new:
            columns = [_comparable(scorer(list(new.values()))) for scorer in self._scorers]
            self._scores.update(zip(new, zip(*columns)))

    def knows(self, first: Sample, second: Sample) -> bool:
        """Return whether both have a result, so that no teacher is asked."""
        return {sample_key(first), sample_key(second)} <= self._truth.keys()

    def order(self, first: Sample, second: Sample) -> int:
        """Return +1 if the first is better, -1 if the second, 0 if neither.

        It is the truth of two that have results, and the vote of most teachers on others.
        """
        known = self._truth
        if not self.knows(first, second):
            self.look([first, second])
            known = self._scores
        votes = sum((one > other) - (one < other) for one, other in
                    zip(known[sample_key(first)], known[sample_key(second)]))
        return (votes > 0) - (votes < 0)

    def _scorer(self, teacher: Teacher, batch: Any) -> Scorer:
        if isinstance(teacher, str):
            return self._proxy(teacher, batch)
        if isinstance(teacher, LearnedTeacher):
            return self._over_space(teacher, batch).fit(*self._results[:2])
        if isinstance(teacher, Learner):
            return deepcopy(teacher).fit(*self._results[:2])
        return teacher

    def _over_space(self, teacher: LearnedTeacher, batch: Any) -> Learner:
        first = self._first(batch) if teacher.scorers else None
        if first is not None:
            self.batch = list(first)
        return teacher.over(self._space, first, self._accept)

    def _first(self, batch: Any) -> Any:
        """Return the batch that proxies see: that of before an interruption, if there was one."""
        return [one.to(batch[0].device) for one in self.batch] or batch

    def _proxy(self, name: str, batch: Any) -> ProxyScorer:
        scorer = ProxyScorer(name, self._space, self._first(batch))
        loss = self._loss
        if loss is not None and 'loss' in inspect.signature(find_proxy(name)).parameters:
            scorer.options['loss'] = lambda outputs, _: loss(outputs, scorer.batch)
        self.batch = list(scorer.batch)
        return scorer


def _comparable(scores: Tensor) -> list[float]:
    """Return scores of which those that are not finite are neither better nor worse than others."""
    return scores.double().masked_fill(~scores.isfinite(), math.nan).tolist()
