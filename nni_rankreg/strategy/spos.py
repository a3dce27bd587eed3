"""SPOS: single-path one-shot, extended by ranking regularisers; a drop-in for RandomOneShot."""

from __future__ import annotations

import logging
import math
from itertools import islice
from typing import Any, Callable, Iterable, Iterator, Sequence

import nni
import torch
from nni.nas.evaluator.pytorch import LightningModule
from nni.nas.execution import SequentialExecutionEngine
from nni.nas.nn.pytorch import ModelSpace
from nni.nas.space import RawFormatModelSpace
from nni.nas.strategy import RandomOneShot

from ..host.subnet import SubnetModelSpace
from ..metric import kendall_tau
from ..regularizer import Regularizer, ResultsSource, read_results
from ..sampler import PathSampler
from ..supernet import Evolution, ScoredSample, SuperNetModule, SuperNetScorer
from ..supernet.split import split_loader
from ..typing import Results, Sample, sample_key

__all__ = ['SPOS']

_logger = logging.getLogger(__name__)


@nni.trace
class SPOS(RandomOneShot):
    """Single-path one-shot with uniform sampling and evolution over the super-net.

    Source: Guo et al., "Single Path One-Shot Neural Architecture Search with Uniform Sampling",
    ECCV 2020; regularisers after Yu et al., CVPR 2021. Use it where
    `nni.nas.strategy.RandomOneShot` is used; the evaluator stays as it is.

    Parameters
    ----------
    regularizers
        Ranking terms of the training loss.
    sampler
        Makes, from the space and a seed, what draws the architectures of each step, for example
        `SandwichSampler`; None draws one, uniformly.
    truth
        Stand-alone results against which the ranking is measured after each validation epoch, for
        example a tabular benchmark. Landmarks and other known architectures are left out.
        Without it the ranking is measured on those, which is optimistic and named so.
    ranking_dataloader
        Batches of the regularisers. None holds out a random half of the training data for them if
        there are regularisers; without any, all of the training data trains the super-net.
    ranking_batch_size
        Batch size of the held-out half; None is that of the training loader. A quarter of it
        costs less and was seen to rank no worse (docs/results.md).
    evolution
        Search over the trained super-net; None is 1,000 evaluations.
    metric
        Score of an architecture: None for minus the validation loss, or the name of a metric that
        the evaluator logs in validation, higher is better, for example ``val_acc``.
    score_batches
        Validation batches that an architecture is scored on; None takes all. They are kept in
        memory.
    calibration_batches
        Training batches from which the statistics of batch normalisation are computed for each
        scored architecture; 0 uses the statistics of each validation batch.
    filter
        As of NNI's `RandomOneShot`: accepts or rejects an architecture.
    seed
        Of the drawn architectures and of the split.
    **kwargs
        As of NNI's `OneShotStrategy`, for example ``mutation_hooks``.

    Attributes
    ----------
    measured
        ``scores`` and ``metrics`` of the architectures on which `measure` last compared them.

    .. note:: Training and scoring use batch statistics; the running statistics of a super-net mix
       those of all architectures.

    Examples
    --------
    >>> from nni_rankreg.regularizer import LandmarkRegularizer
    >>> landmarks = Results([{'op': 'conv'}, {'op': 'none'}], [0.9, 0.1])
    >>> strategy = SPOS(regularizers=[LandmarkRegularizer(landmarks, weight=10.)])
    >>> # NasExperiment(space, evaluator, strategy).run()
    """

    def __init__(self, regularizers: Sequence[Regularizer] = (), *,
                 sampler: Callable[[ModelSpace, int], PathSampler] | None = None,
                 truth: ResultsSource | None = None, ranking_dataloader: Any = None,
                 ranking_batch_size: int | None = None, evolution: Evolution | None = None,
                 metric: str | None = None, score_batches: int | None = None,
                 calibration_batches: int = 0, filter: Any = None, seed: int = 0, **kwargs: Any):
        super().__init__(filter=filter, **kwargs)
        self.regularizers, self.sampler = list(regularizers), sampler
        self.truth = truth
        self.ranking_dataloader, self.ranking_batch_size = ranking_dataloader, ranking_batch_size
        self.evolution = evolution or Evolution()
        self.metric, self.score_batches = metric, score_batches
        self.calibration_batches, self.seed = calibration_batches, seed
        self._path_sampler: PathSampler | None = None
        self._training_loader: Any = None
        self._ranking_loader: Any = None
        self._validation_loader: Any = None
        self._ranked: list[ScoredSample] | None = None
        self._known: list[Sample] = []
        self.measured: dict[str, list[float]] = {}

    def mutate_model(self, model: ModelSpace) -> ModelSpace:
        """Turn a space into a super-net, in place, after all who need to have looked at it."""
        for one in self.regularizers:
            one.prepare(model, self.filter)
        self._path_sampler = None if self.sampler is None else self.sampler(model, self.seed)
        return super().mutate_model(model)

    def configure_oneshot_module(self, training_module: LightningModule) -> SuperNetModule:
        """Return the super-net module around the evaluator's module; NNI calls this."""
        return SuperNetModule(
            training_module, self.regularizers, sampler=self._path_sampler, accept=self.filter,
            seed=self.seed, ranking_batches=lambda: self._ranking_loader, measure=self.measure)

    def train_dataloader(self, train_dataloader_fn: Callable[[], Any],
                         val_dataloader_fn: Callable[[], Any]) -> Any:
        """Return the loader of the super-net's loss; hold out the ranking half if needed."""
        loader, self._ranking_loader = train_dataloader_fn(), self.ranking_dataloader
        if self.regularizers and self.ranking_dataloader is None:
            loader, self._ranking_loader = split_loader(
                loader, seed=self.seed, ranking_batch_size=self.ranking_batch_size)
        self._training_loader = loader
        return loader

    def val_dataloader(self, train_dataloader_fn: Callable[[], Any],
                       val_dataloader_fn: Callable[[], Any]) -> Any:
        """Return the validation loader, on which architectures are scored as well."""
        loader = val_dataloader_fn()
        self._validation_loader = loader[0] if isinstance(loader, (list, tuple)) else loader
        return loader

    def scorer(self, *, progress: bool = False) -> SuperNetScorer:
        """Return the trained super-net as a `Scorer`, on the device it was trained on."""
        module = self.oneshot_module
        module.set_model(self.supernet)
        module.to(module.trainer.strategy.root_device)
        if self._validation_loader is None:  # Lightning has not asked the data module for it
            module.trainer.datamodule.val_dataloader()
        return SuperNetScorer(
            module, islice(self._validation_loader, self.score_batches), metric=self.metric,
            calibration=islice(self._training_loader, self.calibration_batches),
            progress=progress)

    def measure(self) -> dict[str, float]:
        """Return the rank correlation of the super-net, and ``default``, the number NNI plots."""
        seen = [one.results for one in self.regularizers]
        if self.truth is None:
            name = 'kendall_tau_landmarks'
            results = max(seen, key=lambda one: len(one.samples), default=Results([], []))
        else:
            name, known = 'kendall_tau', [*self._known, *(s for one in seen for s in one.samples)]
            results = _without(read_results(self.truth), known)
        metrics = {key: float(value) for key, value in
                   self.oneshot_module.trainer.callback_metrics.items() if key.startswith('val_')}
        if len(results.samples) >= 2:
            scores = self.scorer()(results.samples).tolist()
            self.measured = {'scores': scores, 'metrics': list(results.metrics)}
            tau = kendall_tau(scores, results.metrics)
            metrics[name] = tau if math.isfinite(tau) else 0.  # constant scores order nothing
            metrics['default'] = metrics[name]
        else:
            metrics['default'] = metrics.get('val_acc', -metrics.get('val_loss', math.nan))
        return metrics

    def best(self, count: int | None = None,
             exclude: Iterable[Sample] = ()) -> list[ScoredSample]:
        """Return the best architectures by the super-net, best first; searched for once.

        Parameters
        ----------
        count
            Number of architectures; None returns all that the search has met.
        exclude
            Architectures to leave out.
        """
        if self._ranked is None:
            self._ranked = self.evolution.search(self.scorer(), self.supernet,
                                                 accept=self.filter)
        excluded = {sample_key(sample) for sample in exclude}
        return [one for one in self._ranked if sample_key(one) not in excluded][:count]

    def list_models(self, sort: bool = True,
                    limit: int | None = 1) -> Iterator[RawFormatModelSpace]:
        """Yield the best architectures in order; each carries its score and the weights.

        Parameters
        ----------
        sort
            Must be true.
        limit
            Number of models; None yields all that the search has met.
        """
        if not sort:
            _logger.warning('SPOS lists models by score only; sort=False has no effect.')
        for one in self.best(limit):
            yield SubnetModelSpace.from_supernet(self.model_space, self.supernet, one, one.score)

    def train(self, space: Any, evaluator: Any, results: Results | None = None, *,
              weights: str | None = None) -> SuperNetModule:
        """Train a super-net in this process, without an experiment, and return it.

        Parameters
        ----------
        space, evaluator
            As of `NasExperiment`; the space is turned into the super-net.
        results
            Stand-alone results that a search has measured, for the regularisers.
        weights
            File of super-net weights to start from; then no regulariser warms up.
        """
        if results is not None:
            self._known = results.samples
            for one in self.regularizers:
                one.bind(results, weights is not None)
        # NNI's engine is for its type check only: it would redirect the reports of a trial.
        supernet = self.initialize(RawFormatModelSpace(space, evaluator),
                                   SequentialExecutionEngine())
        if weights is not None:
            self.supernet.load_state_dict(
                torch.load(weights, map_location='cpu', weights_only=True))
        supernet.execute()
        return self.oneshot_module


def _without(results: Results, samples: Sequence[Sample]) -> Results:
    excluded = {sample_key(sample) for sample in samples}
    kept = [(sample, metric) for sample, metric in zip(*results)
            if sample_key(sample) not in excluded]
    return Results([sample for sample, _ in kept], [metric for _, metric in kept])
