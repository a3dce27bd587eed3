"""The super-net in training: exact architectures in each step, plus ranking regularisers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import nni
import torch
from nni.nas.evaluator.pytorch import LightningModule
from pytorch_lightning.plugins import Precision
from torch import Tensor

from ..batch_norm import batch_statistics
from ..data.batches import EndlessBatches
from ..host.network.activation import Activator
from ..host.trial import outside_trial
from ..regularizer import Regularizer
from ..sampler import PathSampler, UniformSampler
from ..sampler.choice import first_accepted
from ..typing import Accept, Sample, sample_key
from .checkpoint import CheckpointedModule
from .quiet import quiet_loss
from .ranks import Ranks
from .recorded import RecordedLosses

__all__ = ['SuperNetModule']

_FILTER_PATIENCE = 100  # steps drawn before a filter counts as impossible

Drawn = TypeVar('Drawn')


class SuperNetModule(CheckpointedModule):
    r"""Single-path super-net around the Lightning module of an evaluator.

    A training step is :math:`\sum_s L_s + \sum_k \lambda_k R_k`: the losses of the drawn
    architectures, one as a rule, and the terms of the regularisers, one backward pass, one
    clipping, one step of the evaluator's optimiser.

    Parameters
    ----------
    training_module
        Lightning module of the evaluator; its model is the super-net.
    regularizers
        Terms of the loss.
    ranking_batches
        Returns the loader of held-out batches for the regularisers, drawn only in epochs in which
        one of them is active.
    training_batches
        As of `CheckpointedModule`.
    sampler
        Draws the architectures of a step; None draws one, uniformly.
    accept
        Which architectures may be trained; None accepts all.
    measure
        Called after each validation epoch; returns the metrics to log and to report to NNI as
        intermediate result, ``default`` among them. May return nothing.
    seed
        Of the drawn architectures.
    same_paths
        Whether all processes of a distributed training draw the same architectures.
    cuda_graphs
        Whether the passes of landmarks are recorded, see `RecordedLosses`.

    Attributes
    ----------
    held_out
        The held-out batches, in order.
    ranks
        The processes of a distributed training.
    ranking_loss
        Sum of the regularisers' terms in the last step, or None if none is active.
    history, measured
        Metrics of each epoch; scores and truth of the architectures on which they were measured
        last.
    """

    def __init__(self, training_module: LightningModule,
                 regularizers: Sequence[Regularizer] = (), *,
                 ranking_batches: Callable[[], Any] = lambda: None,
                 training_batches: Callable[[], Any] = lambda: None,
                 sampler: PathSampler | None = None,
                 accept: Accept | None = None,
                 measure: Callable[[], dict[str, float]] | None = None, seed: int = 0,
                 same_paths: bool = True, cuda_graphs: bool = False):
        super().__init__(training_module, training_batches)
        self.regularizers = list(regularizers)
        self.accept, self.measure, self.seed = accept, measure, seed
        self.ranks = Ranks(self, same_paths)
        self.history: list[dict[str, float]] = []
        self.measured: dict[str, list[float]] = {}
        self.held_out = EndlessBatches(ranking_batches)
        self.ranking_loss: Tensor | None = None
        self.cuda_graphs = cuda_graphs
        self._recorded: RecordedLosses | None = None
        self._path_sampler = sampler
        self._sampler: UniformSampler | None = None
        self._activator: Activator | None = None

    @property
    def automatic_optimization(self) -> bool:
        """Lightning optimises; nothing is done by hand."""
        return True

    @property
    def epochs(self) -> int:
        """Number of epochs of the whole training."""
        if not self.trainer.max_epochs or self.trainer.max_epochs < 0:
            raise ValueError('Expected max_epochs of the trainer to be set: the weights of '
                             'regularisers and temperatures change over the epochs.')
        return self.trainer.max_epochs

    @property
    def sampler(self) -> UniformSampler:
        """Draws the architectures that are trained."""
        if self._sampler is None:
            self._sampler = UniformSampler(self.model, seed=self.seed, accept=self.accept)
        return self._sampler

    def draw(self) -> Sample:
        """Return an architecture drawn as in training.

        Raises
        ------
        ValueError
            If the filter rejects 10,000 architectures in a row.
        """
        return self.ranks.drawn(self.sampler.sample)

    def paths(self) -> list[Sample]:
        """Return the architectures of a training step.

        Raises
        ------
        RuntimeError
            If the filter rejects one of them 100 times in a row.
        """
        return [self.draw()] if self._path_sampler is None else self.accepted(
            self._path_sampler.paths, list)

    def accepted(self, draw: Callable[[], Drawn],
                 samples: Callable[[Drawn], Sequence[Sample]]) -> Drawn:
        """Return the first draw whose architectures the filter accepts.

        `samples` returns the architectures of what was drawn; in a distributed training see
        `Ranks.drawn`.

        Raises
        ------
        RuntimeError
            If the filter rejects 100 draws in a row.
        """
        accept = self.accept
        return self.ranks.drawn(lambda: first_accepted(
            draw, lambda drawn: accept is None or all(map(accept, samples(drawn))),
            lambda: RuntimeError('Expected the filter to accept all architectures of a step, got '
                                 f'{_FILTER_PATIENCE} rejections in a row: {accept}. Widen its '
                                 'bounds.'), _FILTER_PATIENCE))

    def activate(self, sample: Sample) -> None:
        """Switch the super-net to an exact architecture."""
        if self._activator is None:
            self._activator = Activator(self.model)
        self._activator(sample)

    def resample(self) -> Sample:
        """Switch the super-net to a drawn architecture and return it."""
        sample = self.draw()
        self.activate(sample)
        return sample

    def export(self) -> Sample:
        """Return a drawn architecture; the strategy's `best` returns good ones."""
        return self.draw()

    def subnet_loss(self, sample: Sample, batch: Any) -> Tensor:
        """Return the training loss of one architecture on a batch, a scalar; nothing is logged.

        In a distributed training it is the mean over the batches of all processes.
        """
        self.activate(sample)
        # The gradients of a replay are in the same memory each time: they must not be accumulated.
        if self._recorded is not None and self.trainer.accumulate_grad_batches == 1:
            return self._recorded(sample, batch)
        return self.ranks.mean(quiet_loss(self.training_module, batch))

    def of_first_process(self, batch: Any) -> Any:
        """Return the batch that the first process of a distributed training has."""
        return self.to_device(self.ranks.of_first(batch))

    def to_device(self, batch: Any) -> Any:
        """Return a batch on the device of the super-net, in the precision of the trainer."""
        try:
            precision = self.trainer.precision_plugin
        except RuntimeError:  # it has no trainer yet
            precision = Precision()
        return self.transfer_batch_to_device(precision.convert_input(batch), self.device, 0)

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        """Return the loss of the weights plus the terms of the regularisers."""
        if self._recorded is not None:
            self._recorded.begin_step()
        output = self.weight_loss(batch, batch_idx)
        epoch = self.trainer.current_epoch
        active = [one for one in self.regularizers if one.active(epoch, self.epochs)]
        self.ranking_loss = None
        if not active:
            return output
        ranking_batch = self.to_device(self.held_out.next())
        terms = [one.loss(self, ranking_batch, epoch) for one in active]
        extra = sum(term for term in terms if term is not None)
        self.ranking_loss = torch.as_tensor(extra, dtype=torch.float).detach()
        self.log('ranking_loss', self.ranking_loss, prog_bar=True)
        return _plus(output, extra)

    def weight_loss(self, batch: Any, batch_idx: int) -> Any:
        """Return what the evaluator's training step returns, for the drawn architectures."""
        first, *others = self.paths()
        self.activate(first)
        output = self.training_module.training_step(batch, batch_idx)
        for sample in others:
            output = _plus(output, self.subnet_loss(sample, batch))
        return output

    def validation_step(self, batch: Any, batch_idx: int, *args: Any) -> Any:
        """Validate a drawn architecture with the statistics of the batch, as in scoring."""
        self.resample()
        with batch_statistics(self.training_module):
            return self.training_module.validation_step(batch, batch_idx, *args)

    def on_validation_epoch_end(self) -> None:
        """Measure the ranking and report it to NNI; the evaluator's own report is left out."""
        if self.trainer.sanity_checking or self.measure is None:
            return
        metrics = {**self.measure(), 'epoch': float(self.trainer.current_epoch)}
        if 'default' not in metrics:
            return
        self.history.append(metrics)
        self.log_dict({name: value for name, value in metrics.items()
                       if name not in ('default', 'epoch')}, prog_bar=True)
        if nni.get_current_parameter() is not None and self.trainer.is_global_zero:
            nni.report_intermediate_result(metrics)

    def on_fit_start(self) -> None:
        """Start anew with what is recorded: the weights may lie elsewhere."""
        super().on_fit_start()
        if self.cuda_graphs and self.ranks.count == 1:
            self._recorded = RecordedLosses(
                partial(quiet_loss, self.training_module), self.training_module,
                [sample for one in self.regularizers for sample in one.results.samples])

    def on_train_end(self) -> None:
        """Free the memory of what is recorded."""
        super().on_train_end()
        self._recorded = None

    def on_fit_end(self) -> None:
        """End the evaluator's training; its final report would be that of a random architecture."""
        with outside_trial():
            self.training_module.on_fit_end()

    def identity(self) -> dict[str, Any]:
        """Return what must be the same in a training that is resumed."""
        known = [(sample_key(sample), metric) for one in self.regularizers
                 for sample, metric in one.results.pairs()]
        digest = hashlib.sha256(repr(known).encode()).hexdigest()[:12]
        return {**super().identity(), 'seed': self.seed,
                'regularisers': [type(one).__name__ for one in self.regularizers],
                'stand-alone results': f'{len(known)} with hash {digest}'}

    def search_state(self) -> dict[str, Any]:
        """Return all that Lightning does not keep itself, in plain numbers, texts and tensors."""
        paths = self._path_sampler
        return {**super().search_state(), 'history': self.history, 'measured': self.measured,
                'sampler': self.sampler.state_dict(), 'held_out': self.held_out.state_dict(),
                'paths': None if paths is None else paths.state_dict(),
                'regularizers': [one.state_dict() for one in self.regularizers]}

    def load_search_state(self, state: dict[str, Any]) -> None:
        """Continue from what `search_state` has returned."""
        super().load_search_state(state)
        self.history, self.measured = state['history'], state['measured']
        self.sampler.load_state_dict(state['sampler'])
        self.held_out.load_state_dict(state['held_out'])
        if self._path_sampler is not None:
            self._path_sampler.load_state_dict(state['paths'])
        for one, its_state in zip(self.regularizers, state['regularizers']):
            one.load_state_dict(its_state)


def _plus(output: Any, extra: Any) -> Any:
    """Return what a training step has returned, with more added to its loss."""
    if isinstance(output, dict):
        return {**output, 'loss': output['loss'] + extra}
    return output + extra
