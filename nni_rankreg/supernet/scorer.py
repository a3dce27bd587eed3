"""The scores of architectures with the weights they inherit from the super-net."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Any, TypeVar

import torch
from lightning_utilities.core.apply_func import apply_to_collection
from nni.nas.evaluator.pytorch import LightningModule
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence
from tqdm.auto import tqdm

from .._util.fork import fork_map
from .._util.memory import kept_memory
from ..batch_norm import batch_statistics
from ..data.size import batch_size
from ..host.network.prefix import SharedPrefix
from ..typing import Sample, metric_sign
from .calibration import calibrate, with_statistics
from .path import PathModule
from .quiet import (
    SkippedBatch,
    batch_metric,
    quiet_loss,
    sized_loss,
    validation_metric,
    validation_size,
)

__all__ = ['SuperNetScorer']

Result = TypeVar('Result')

_WORTH_FORKING = 8  # architectures for each process
_WHOLE = (Tensor, PackedSequence)  # parts of a batch that are not looked into


class SuperNetScorer:
    """Score architectures by the super-net's weights; a `Scorer`.

    It returns what a loop over architectures and batches returns, faster: what architectures have
    in common at their beginning is computed once for each batch (`SharedPrefix`), the channels of
    images come last on a CPU, where freed memory is kept and several processes may share the work.

    Parameters
    ----------
    module
        The super-net.
    batches
        Validation batches, kept on the device of the super-net.
    metric
        None scores by minus the loss; a name takes that metric of the evaluator's
        `validation_step`, for example ``val_acc``.
    mode
        ``'max'``, or ``'min'`` if `metric` is better the lower it is: scores have its sign changed.
    calibration
        Training batches from which the statistics of batch normalisation are computed anew for
        each architecture. Without them each validation batch is normalised by its own statistics,
        so that scores depend on the size and the composition of the batches.
    progress
        Whether to show a progress bar.
    processes
        Processes of one thread each that score, on the CPU of Linux; elsewhere it is one.
    shared_memory
        Bytes for what architectures have in common, of all processes together; 0 shares nothing.

    Raises
    ------
    ValueError
        If there are no batches, or the metric is not logged.
    """

    def __init__(self, module: PathModule, batches: Iterable[Any], *,
                 metric: str | None = None, mode: str = 'max', calibration: Iterable[Any] = (),
                 progress: bool = False, processes: int = 1, shared_memory: int = 2 ** 30):
        self.module, self.metric, self.progress = module, metric, progress
        self.processes = processes if module.device.type == 'cpu' else 1
        self.shared_memory = shared_memory
        self._sign = metric_sign(mode)
        self._format = (torch.channels_last if module.device.type == 'cpu'
                        else torch.preserve_format)
        self.batches = [self._prepared(module.to_device(batch)) for batch in batches]
        self.calibration = [self._prepared(module.to_device(batch)) for batch in calibration]
        if not self.calibration:
            self.batches = with_statistics(module, self.batches)
        self.sizes: list[float] = [batch_size(batch) or 1 for batch in self.batches]
        self._whole: bool | None = None  # not known before an architecture is scored
        self._prefix: SharedPrefix | None = None
        self._shared: list[int] = []  # numbers of the batches whose prefix is remembered
        if not self.batches:
            raise ValueError('Expected at least one validation batch to score on, got none.')

    def __call__(self, samples: Sequence[Sample]) -> Tensor:
        """Return the scores of `samples`, shape (N,), higher is better."""
        samples = list(map(self.module.sampler.canonical, samples))
        # Lightning's inference mode, in a validation, hides whether a tensor has changed.
        with torch.inference_mode(False), torch.no_grad():
            return torch.tensor(self.module.ranks.shared(self._scores, samples),
                                dtype=torch.float64)

    def _scores(self, samples: Sequence[Sample]) -> list[float]:
        """Return the scores of the samples that are this process' share of a training's."""
        if self._whole is None and samples:
            with self._evaluating(0):
                self._laid_out(lambda: self._look(samples[0]))
        batches = list(range(len(self.batches)))
        # The batches of an architecture belong together, or each is a task of its own.
        groups = [batches] if self._whole or self.calibration else [[index] for index in batches]
        tasks = [(index, group) for group in groups for index in _alike_together(samples)]
        processes = max(1, min(self.processes, len(samples) // _WORTH_FORKING))
        alone = len(samples) == 1  # as in an evolution of one child at a time: it shares nothing
        with self._evaluating(0 if alone else self.shared_memory // processes):
            parts = fork_map(partial(self._part, samples), tasks, processes, lambda parts: tqdm(
                parts, 'Scoring', len(tasks), disable=not self.progress, leave=False))
        totals, weights = [0.] * len(samples), [0.] * len(samples)
        for (index, _), (total, weight) in zip(tasks, parts):
            totals[index] += total
            weights[index] += weight
        if not all(weights):
            raise ValueError('Expected a validation batch that training_step does not skip, got '
                             'none. Score by a metric that validation_step logs: metric=...')
        return [total / weight for total, weight in zip(totals, weights)]

    @contextmanager
    def _evaluating(self, shared_memory: int) -> Iterator[None]:
        training, self._prefix, self._shared = self.module.training, None, []
        with ExitStack() as stack:
            stack.callback(self.module.train, training)
            self.module.eval()
            if self.module.device.type == 'cpu':
                stack.enter_context(kept_memory())
            if not self.calibration:
                stack.enter_context(batch_statistics(self.module))
                if shared_memory:
                    self._prefix = stack.enter_context(
                        SharedPrefix(self.module.model, shared_memory))
            yield

    def _look(self, sample: Sample) -> None:
        """Let the first architecture tell how the evaluator weighs and reduces its batches."""
        module = self.module.training_module
        self.module.activate(sample)
        if self.metric is None:
            said = [validation_size(module, batch, index)
                    for index, batch in enumerate(self.batches)]
            self.sizes = [size if one is None else one for one, size in zip(said, self.sizes)]
        self._whole = self.metric is not None and batch_metric(
            module, self.batches[0], 0, self.metric) is None

    def _part(self, samples: Sequence[Sample], task: tuple[int, list[int]]
              ) -> tuple[float, float]:
        """Return the sum of an architecture's scores for some batches, and of their weights."""
        index, group = task
        return self._laid_out(lambda: self._group_score(samples[index], group))

    def _laid_out(self, compute: Callable[[], Result]) -> Result:
        """Return what is computed, from images in the usual order if need be."""
        try:
            return compute()
        except RuntimeError:
            # A model that takes the memory for granted, as Tensor.view does; else it fails again.
            if self._format is not torch.channels_last:
                raise
            self._lay_out(torch.contiguous_format)
            return compute()

    def _lay_out(self, memory_format: torch.memory_format) -> None:
        """Keep the images of all batches in another order from now on."""
        self._format, self._shared = memory_format, []
        self.batches = [self._prepared(batch) for batch in self.batches]
        self.calibration = [self._prepared(batch) for batch in self.calibration]

    def _group_score(self, sample: Sample, group: list[int]) -> tuple[float, float]:
        module = self.module.training_module
        self.module.activate(sample)
        if self.calibration:
            calibrate(self.module, self.calibration, partial(_run, module))
        self._share(group)
        if self.metric is not None and len(group) == len(self.batches):
            return self._sign * validation_metric(module, self.batches, self.sizes,
                                                  self.metric), 1.
        scores = [self._batch_score(index) for index in group]
        return (sum(score * weight for score, weight in scores),
                sum(weight for _, weight in scores))

    def _share(self, group: list[int]) -> None:
        """Remember from now on what architectures have in common for these batches."""
        if self._prefix is not None and self._shared != group:
            self._shared = group
            self._prefix.begin(_tensors([self.batches[index] for index in group]))

    def _batch_score(self, index: int) -> tuple[float, float]:
        """Return the score of the active architecture on a batch, and the weight of the batch."""
        batch, size = self.batches[index], self.sizes[index]
        if self.metric is None:
            try:
                loss, said = sized_loss(self.module.training_module, batch)
            except SkippedBatch:
                return 0., 0.
            return -loss.item(), size if said is None else said
        entry = batch_metric(self.module.training_module, batch, index, self.metric)
        assert entry is not None  # `_look` has seen it
        return self._sign * entry.value, size if entry.size is None else entry.size

    def _prepared(self, batch: Any) -> Any:
        """Return a batch whose images have the format; their values are the same."""
        def prepare(part: Any) -> Any:
            return part.clone(memory_format=self._format if part.ndim == 4
                              else torch.preserve_format) if isinstance(part, Tensor) else part

        with torch.inference_mode(False):
            return apply_to_collection(batch, _WHOLE, prepare)


def _run(module: LightningModule, batch: Any) -> None:
    """Let the evaluator's step compute a batch, be it to skip it."""
    with suppress(SkippedBatch):
        quiet_loss(module, batch)


def _alike_together(samples: Sequence[Sample]) -> list[int]:
    """Return the order in which neighbours have as many of their first choices in common."""
    labels = list(samples[0]) if samples else []
    return sorted(range(len(samples)),
                  key=lambda index: [repr(samples[index].get(label)) for label in labels])


def _tensors(batch: Any) -> list[Tensor]:
    found: list[Any] = []
    apply_to_collection(batch, _WHOLE, found.append)
    return [part for part in found if isinstance(part, Tensor)]

