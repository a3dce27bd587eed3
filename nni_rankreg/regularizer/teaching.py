"""The order that teachers give pairs of architectures in one training."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from ..proxy import ProxyScorer, find_proxy
from ..sampler import UniformSampler
from ..typing import Sample, Scorer, sample_key
from .term import TermContext

__all__ = ['Teacher', 'Teaching']

Teacher = str | Scorer
"""Name of a zero-cost proxy, or any `Scorer`."""

_PROBED = 20  # architectures on which a teacher must not be constant


class Teaching:
    """Teachers that vote on the order of pairs; proxies look at the first batch of the training.

    Parameters
    ----------
    teachers
        Names of proxies, and scorers.
    context
        Space and filter of the training, and the loss of the evaluator, which proxies that need
        one take.
    seed
        Of the architectures on which a teacher must not be constant.

    Attributes
    ----------
    batch
        The batch that proxies see; empty as long as no proxy has seen any.
    """

    def __init__(self, teachers: Sequence[Teacher], context: TermContext, seed: int):
        self.teachers = list(teachers)
        self.batch: list[Tensor] = []
        self._loss = context.loss
        self._space = context.space  # a proxy builds it anew, whatever has become of it
        probe = UniformSampler(context.space, seed, accept=context.accept)
        self._probed = [probe.sample() for _ in range(_PROBED)]
        self._scorers: list[Scorer] = []
        self._known: dict[str, list[float]] = {}

    def start(self, first_batch: Callable[[], Any]) -> None:
        """Make scorers of the names of proxies, unless they are made already.

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
        self._scorers = [self._proxy(teacher, batch) if isinstance(teacher, str) else teacher
                         for teacher in self.teachers]
        for teacher, scorer in zip(self.teachers, self._scorers):
            scores = scorer(self._probed)
            if len(set(scores[scores.isfinite()].tolist())) < 2:
                raise ValueError(f'Expected a teacher that orders architectures, got {teacher!r}, '
                                 f'which gives {_PROBED} random ones no different scores.')

    def restart(self, batch: list[Tensor]) -> None:
        """Let proxies see a batch of an interrupted training."""
        self.batch, self._scorers = batch, []

    def order(self, first: Sample, second: Sample) -> int:
        """Return +1 if most teachers prefer the first, -1 if the second, 0 if neither."""
        votes = sum((one > other) - (one < other) for one, other in
                    zip(self._scores(first), self._scores(second)))
        return (votes > 0) - (votes < 0)

    def _proxy(self, name: str, batch: Any) -> ProxyScorer:
        first: Any = [one.to(batch[0].device) for one in self.batch]
        scorer = ProxyScorer(name, self._space, first or batch)
        loss = self._loss
        if loss is not None and 'loss' in inspect.signature(find_proxy(name)).parameters:
            scorer.options['loss'] = lambda outputs, _: loss(outputs, scorer.batch)
        self.batch = list(scorer.batch)
        return scorer

    def _scores(self, sample: Sample) -> list[float]:
        key = sample_key(sample)
        if key not in self._known:
            self._known[key] = [scorer([sample])[0].item() for scorer in self._scorers]
        return self._known[key]
