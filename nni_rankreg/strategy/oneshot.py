"""What all one-shot strategies share: data, regularisers, measurement, the best architectures."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from nni.nas.evaluator.pytorch import Lightning, LightningModule
from nni.nas.execution import SequentialExecutionEngine
from nni.nas.nn.pytorch import ModelSpace
from nni.nas.space import RawFormatModelSpace
from nni.nas.strategy import RandomOneShot

from .._util.memory import kept_memory
from ..data.split import split_loader
from ..host.network.subnet import SubnetModelSpace
from ..host.run.distributed import prepare_distributed
from ..metric import kendall_tau
from ..regularizer import Regularizer
from ..search import ScoredSample
from ..supernet import SuperNetModule, SuperNetScorer
from ..supernet.checkpoint import keep_checkpoints
from ..table import ResultsSource, read_results
from ..typing import Results, Sample, metric_sign, sample_key

__all__ = ['SuperNetStrategy']

_logger = logging.getLogger(__name__)


class SuperNetStrategy(RandomOneShot):
    """Trains a super-net with ranking regularisers and lists its best architectures in order.

    Subclasses implement `make_module`, which trains, and `search`, which ends the search.

    Parameters
    ----------
    regularizers
        Ranking terms of the training loss.
    truth
        Stand-alone results against which the ranking is measured after each validation epoch, for
        example a tabular benchmark. Landmarks and other known architectures are left out.
        Without it the ranking is measured on those, which is optimistic and named so.
    ranking_dataloader
        Held-out batches, of the regularisers and of a learned architecture. None holds out a
        random half of the training data if they are needed; else all of it trains the super-net.
    ranking_batch_size
        Batch size of the held-out half; None is that of the training loader. A quarter of it
        costs less and was seen to rank no worse (docs/results.md).
    metric
        Score of an architecture: None for minus the validation loss, or the name of a metric that
        the evaluator logs in validation, for example ``val_acc``.
    mode
        ``'max'``, or ``'min'`` if `metric` and the metrics of `truth` are better the lower they
        are, such as losses. Scores are higher is better in any case.
    score_batches
        Validation batches that an architecture is scored on; None takes all. They are kept in
        memory.
    score_processes
        Processes of one thread each that score architectures after the training and in its
        validations, on the CPU of Linux. It is 1 elsewhere and in a distributed training.
    calibration_batches
        Training batches from which the statistics of batch normalisation are computed for each
        scored architecture; 0 uses the statistics of each validation batch.
    checkpoint_folder
        Where ``last.ckpt`` is kept, the whole state at the end of the last epoch. If it is there
        when the training starts, this continues from it, with the same result as if it had not
        been interrupted. None keeps nothing.
    filter
        As of NNI's `RandomOneShot`: accepts or rejects an architecture.
    seed
        Of the drawn architectures and of the split.
    same_paths
        In a distributed training (``strategy='ddp'`` of the evaluator's trainer): True lets all
        processes train the same architectures in a step, which is then that of one process with
        all their batches; False lets each draw its own, as many more in a step.
    cuda_graphs
        Whether the passes of landmarks on one GPU are recorded as CUDA graphs, see
        `RecordedLosses`; each landmark then keeps the memory of its pass.
    **kwargs
        As of NNI's `OneShotStrategy`, for example ``mutation_hooks``.

    .. note:: Training and scoring use batch statistics; the running statistics of a super-net mix
       those of all architectures.
    """

    def __init__(self, regularizers: Sequence[Regularizer] = (), *,
                 truth: ResultsSource | None = None, ranking_dataloader: Any = None,
                 ranking_batch_size: int | None = None, metric: str | None = None,
                 mode: str = 'max', score_batches: int | None = None, score_processes: int = 1,
                 calibration_batches: int = 0, checkpoint_folder: str | Path | None = None,
                 filter: Any = None, seed: int = 0, same_paths: bool = True,
                 cuda_graphs: bool = False, **kwargs: Any):
        super().__init__(filter=filter, **kwargs)
        self.regularizers, self.truth = list(regularizers), truth
        self.ranking_dataloader, self.ranking_batch_size = ranking_dataloader, ranking_batch_size
        metric_sign(mode)  # refuses another
        self.metric, self.mode, self.score_batches = metric, mode, score_batches
        self.calibration_batches, self.seed = calibration_batches, seed
        self.score_processes = score_processes
        self.checkpoint_folder, self.same_paths = checkpoint_folder, same_paths
        self.cuda_graphs = cuda_graphs
        self._processes: dict[str, int] = {}
        self._module: SuperNetModule | None = None
        self._training_loader: Any = None
        self._ranking_loader: Any = None
        self._validation_loader: Any = None
        self._ranked: list[ScoredSample] | None = None
        self._known: list[Sample] = []

    def make_module(self, training_module: LightningModule, **options: Any) -> SuperNetModule:
        """Return the Lightning module that trains the super-net.

        `training_module` is the evaluator's; `options` are common arguments of `SuperNetModule`.
        """
        raise NotImplementedError

    def search(self, scorer: SuperNetScorer) -> list[ScoredSample]:
        """Return different architectures that the filter accepts with their scores, best first.

        Parameters
        ----------
        scorer
            The trained super-net.
        """
        raise NotImplementedError

    @property
    def holds_out(self) -> bool:
        """Whether training needs held-out data."""
        return bool(self.regularizers)

    @property
    def measured(self) -> dict[str, list[float]]:
        """``scores`` and ``metrics``, in the sign of `truth`, of what `measure` last compared."""
        return {} if self._module is None else self._module.measured

    def mutate_model(self, model: ModelSpace) -> ModelSpace:
        """Turn a space into a super-net, in place, after all who need to have looked at it."""
        for one in self.regularizers:
            one.prepare(model, self.filter)
        return super().mutate_model(model)

    def configure_oneshot_module(self, training_module: LightningModule) -> SuperNetModule:
        """Return the super-net module around the evaluator's module; NNI calls this."""
        self._module = self.make_module(
            training_module, regularizers=self.regularizers, accept=self.filter, seed=self.seed,
            same_paths=self.same_paths, cuda_graphs=self.cuda_graphs,
            ranking_batches=lambda: self._ranking_loader,
            training_batches=lambda: self._training_loader, measure=self.measure)
        return self._module

    def mutate_evaluator(self, evaluator: Lightning) -> Lightning:
        """Return the evaluator that trains the super-net; NNI calls this."""
        self._processes = prepare_distributed(evaluator.trainer)
        evaluator = super().mutate_evaluator(evaluator)
        if self.checkpoint_folder is not None:
            keep_checkpoints(evaluator, self.checkpoint_folder)
        return evaluator

    def train_dataloader(self, train_dataloader_fn: Callable[[], Any],
                         val_dataloader_fn: Callable[[], Any]) -> Any:
        """Return the loader of the super-net's loss; hold out the ranking half if needed."""
        loader, self._ranking_loader = train_dataloader_fn(), self.ranking_dataloader
        if self.holds_out and self.ranking_dataloader is None:
            loader, self._ranking_loader = split_loader(
                loader, seed=self.seed, ranking_batch_size=self.ranking_batch_size,
                **self._processes)
        self._training_loader = loader
        if self._module is not None:
            self._module.resume_loader()
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
        alone = self._processes.get('processes', 1) == 1
        return SuperNetScorer(
            module, islice(self._validation_loader, self.score_batches), metric=self.metric,
            mode=self.mode, calibration=islice(self._training_loader, self.calibration_batches),
            progress=progress, processes=self.score_processes if alone else 1)

    def measure(self) -> dict[str, float]:
        """Return the rank correlation of the super-net, and ``default``, the number NNI plots."""
        module = self.oneshot_module
        seen = [one.results for one in self.regularizers]
        if self.truth is None:
            name = 'kendall_tau_landmarks'
            results = max(seen, key=lambda one: len(one.samples), default=Results([], []))
        else:
            name, known = 'kendall_tau', [*self._known, *(s for one in seen for s in one.samples)]
            results = read_results(self.truth, self.mode).without(known)
        metrics = {key: module.ranks.mean(value).item()
                   for key, value in module.trainer.callback_metrics.items()
                   if key.startswith('val_')}
        if len(results.samples) >= 2:
            scores = self.scorer()(results.samples).tolist()
            sign = metric_sign(self.mode)
            module.measured = {'scores': scores,
                               'metrics': [sign * metric for metric in results.metrics]}
            tau = kendall_tau(scores, results.metrics)
            metrics[name] = tau if math.isfinite(tau) else 0.  # constant scores order nothing
            metrics['default'] = metrics[name]
        else:
            loss = metrics.get('val_loss', math.nan)
            metrics['default'] = loss if self.mode == 'min' else metrics.get('val_acc', -loss)
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
            with kept_memory():  # also between the calls of an evolution
                self._ranked = self.search(self.scorer())
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
            _logger.warning('%s lists models by score only; sort=False has no effect.',
                            type(self).__name__)
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
