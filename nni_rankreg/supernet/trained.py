"""A super-net that is trained: its scores, its best architectures, and what was measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from itertools import islice

from nni.nas.evaluator.pytorch import Lightning
from nni.nas.nn.pytorch import ModelSpace
from nni.nas.space import ModelStatus, RawFormatModelSpace

from .._util.memory import kept_memory
from ..host.network.subnet import SubnetModelSpace
from ..sampler.rejection import once
from ..search import ScoredSample
from ..typing import Sample, Scorer
from .module import SuperNetModule
from .probe import Measurement
from .scorer import SuperNetScorer

__all__ = ['TrainedSuperNet']


class TrainedSuperNet:
    """A super-net with all that belongs to its training.

    Parameters
    ----------
    space
        NNI's model of the space and the evaluator, as the strategy was given them.
    supernet
        What the strategy has made of the space.
    evaluator
        Trains `module`.
    module
        The super-net in training.
    search
        Returns the architectures that a search over scores has met, best first.
    with_evidence
        Returns the scores of the super-net averaged with what else is known; None if nothing is.

    Attributes
    ----------
    history
        Metrics of each validation epoch, ``default`` among them.
    measured
        ``scores`` and ``metrics``, in the user's sign, of what was compared last; with evidence
        also the averaged scores, ``with_evidence``.
    """

    def __init__(self, space: RawFormatModelSpace, supernet: ModelSpace, evaluator: Lightning,
                 module: SuperNetModule, search: Callable[[Scorer], list[ScoredSample]],
                 with_evidence: Callable[[SuperNetScorer], Scorer] | None = None):
        self.space, self.supernet, self.evaluator = space, supernet, evaluator
        self.module, self._search, self._with_evidence = module, search, with_evidence
        self._ranked: list[ScoredSample] | None = None

    @property
    def history(self) -> list[dict[str, float]]:
        """Metrics of each validation epoch."""
        return self.module.history

    @property
    def measured(self) -> dict[str, list[float]]:
        """What the ranking was measured on last."""
        measured = self.module.measured
        if self._with_evidence is None or not measured:
            return measured
        return {**measured, 'with_evidence': self._compared.measured['scores']}

    @property
    def model(self) -> RawFormatModelSpace:
        """The training in the form that NNI's engines execute."""
        model = RawFormatModelSpace(self.supernet, self.evaluator)
        model.status = ModelStatus.Frozen
        return model

    def scorer(self, *, progress: bool = False) -> SuperNetScorer:
        """Return the super-net as a `Scorer`, on the device it was trained on."""
        module = self._module_where_it_was_trained()
        return module.probe.scorer(module, progress=progress)

    def measure(self) -> dict[str, float]:
        """Return the rank correlation of the super-net, and ``default``, the number NNI plots."""
        return self._module_where_it_was_trained().measure()

    def metrics(self) -> dict[str, float]:
        """Return the metrics of the last epoch, or those of now if no epoch was validated.

        With evidence, the rank correlation of the averaged scores is among them.
        """
        metrics = self.history[-1] if self.history else self.measure()
        name = self.module.probe.name
        if self._with_evidence is None or name not in metrics:
            return metrics
        return {**metrics, f'{name}_with_evidence': self._compared.metrics[name]}

    @cached_property
    def ranking(self) -> Scorer:
        """What orders the best architectures: the super-net, with evidence if there is any."""
        scorer = self.scorer()
        return scorer if self._with_evidence is None else self._with_evidence(scorer)

    @cached_property
    def _compared(self) -> Measurement:
        return self.module.probe.compare(self.ranking)

    def best(self, count: int | None = None,
             exclude: Iterable[Sample] = ()) -> list[ScoredSample]:
        """Return the best architectures by the super-net, best first; searched for once.

        Each computes a function of its own, as of the `form` of the module.

        Parameters
        ----------
        count
            Number of architectures; None returns all functions that the search has met.
        exclude
            Architectures to leave out, with their functional twins.

        Raises
        ------
        DivergedError
            If no architecture that the search has met has a finite score.
        """
        if self._ranked is None:
            with kept_memory():  # also between the calls of an evolution
                found = self._search(self.ranking)
            ranked = [one for one in found if math.isfinite(one.score)]
            if not ranked:
                raise self.module.watch.error('scores', 'none', 'of the trained super-net')
            self._ranked = ranked
        return list(islice(filter(once(exclude, key=self.module.form), self._ranked), count))

    def models(self, limit: int | None = None) -> Iterator[RawFormatModelSpace]:
        """Yield the best architectures in order; each carries its objectives and the weights.

        Parameters
        ----------
        limit
            Number of models; None yields all functions that the search has met.
        """
        for one in self.best(limit):
            yield SubnetModelSpace.from_supernet(self.space, self.supernet, one, one.objectives)

    def _module_where_it_was_trained(self) -> SuperNetModule:
        """Return the super-net on the device it was trained on."""
        self.module.set_model(self.supernet)
        return self.module.to(self.module.trainer.strategy.root_device)
