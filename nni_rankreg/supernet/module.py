"""The super-net in training: exact architectures in each step, plus ranking regularisers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from functools import partial
from typing import Any

import nni
import torch
from nni.nas.evaluator.pytorch import LightningModule
from torch import Tensor

from ..batch_norm import batch_statistics
from ..data.size import batch_size
from ..host.trial import outside_trial
from ..regularizer import Term
from ..space import CanonicalForm
from ..typing import Sample, sample_key
from .path import PathModule
from .probe import RankingProbe
from .quiet import SkippedBatch, quiet_loss
from .recorded import RecordedLosses

__all__ = ['SuperNetModule']


class SuperNetModule(PathModule):
    r"""Single-path super-net in training, with regularisers.

    A training step is :math:`\sum_s L_s + \sum_k \lambda_k R_k`: the losses of the drawn
    architectures, one as a rule, and the terms of the regularisers, one backward pass, one
    clipping, one step of the evaluator's optimiser.

    Parameters
    ----------
    training_module
        Lightning module of the evaluator; its model is the super-net.
    terms
        Terms of the loss. Held-out batches are drawn only in epochs in which one is active.
    probe
        Measures the ranking after each validation epoch, which is logged, and reported to NNI as
        intermediate result.
    cuda_graphs
        Whether the passes of landmarks are recorded, see `RecordedLosses`.
    form
        What functional twins share, as of `canonical_form`: of these only one is listed. By default
        each architecture is its own.
    **kwargs
        As of `PathModule`: ``loaders``, ``sampler``, ``accept``, ``seed``, ``same_paths``.

    Attributes
    ----------
    ranking_loss
        Sum of the terms in the last step, or None if none is active.
    history, measured
        Metrics of each epoch; scores and truth of the architectures on which they were measured
        last.
    """

    def __init__(self, training_module: LightningModule, terms: Sequence[Term] = (), *,
                 probe: RankingProbe | None = None, cuda_graphs: bool = False,
                 form: CanonicalForm = sample_key, **kwargs: Any):
        super().__init__(training_module, **kwargs)
        self.terms, self.probe = list(terms), probe or RankingProbe()
        self.cuda_graphs, self.form = cuda_graphs, form
        self.history: list[dict[str, float]] = []
        self.measured: dict[str, list[float]] = {}
        self.ranking_loss: Tensor | None = None
        self._recorded: RecordedLosses | None = None

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

    def subnet_loss(self, sample: Sample, batch: Any) -> Tensor:
        """Return the training loss of one architecture, by a replay if its pass is recorded."""
        # The gradients of a replay are in the same memory each time: they must not be accumulated.
        if self._recorded is None or self.trainer.accumulate_grad_batches != 1:
            return super().subnet_loss(sample, batch)
        self.activate(sample)
        return self._recorded(sample, batch)

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        """Return the loss of the weights plus the terms of the regularisers; it is finite."""
        output = self.regularized_loss(batch, batch_idx)
        loss = output['loss'] if isinstance(output, dict) else output
        if loss is not None and not self.skips_overflow:
            self.watch.seen(loss)
            if self.device.type == 'cpu' and self.ranks.count == 1:
                self.watch.check(self.when)
        return output

    def regularized_loss(self, batch: Any, batch_idx: int) -> Any:
        """Return what the evaluator's training step returns, with the terms in its loss."""
        if self._recorded is not None:
            self._recorded.begin_step()
        output = self.weight_loss(batch, batch_idx)
        epoch = self.trainer.current_epoch
        active = [one for one in self.terms if one.active(epoch, self.epochs)]
        self.ranking_loss = None
        if not active:
            return output
        ranking_batch = self.to_device(self.loaders.held_out.next())
        losses = [self._term_loss(one, ranking_batch) for one in active]
        extra = sum(loss for loss in losses if loss is not None)
        self.ranking_loss = torch.as_tensor(extra, dtype=torch.float).detach()
        self.log('ranking_loss', self.ranking_loss, prog_bar=True)
        return _plus(output, extra)

    def _term_loss(self, term: Term, batch: Any) -> Tensor | None:
        try:
            return term.loss(self, batch, self.trainer.current_epoch)
        except SkippedBatch:
            return None

    def weight_loss(self, batch: Any, batch_idx: int) -> Any:
        """Return what the evaluator's training step returns, for the drawn architectures."""
        first, *others = self.paths()
        self.activate(first)
        output = self.training_module.training_step(batch, batch_idx)
        for sample in others:
            with suppress(SkippedBatch):
                output = _plus(output, self.subnet_loss(sample, batch))
        return output

    def validation_step(self, batch: Any, batch_idx: int, *args: Any) -> Any:
        """Validate a drawn architecture with the statistics of the batch, as in scoring.

        A single example has none: there the running statistics serve.
        """
        self.resample()
        with nullcontext() if batch_size(batch) == 1 else batch_statistics(self.training_module):
            return self.training_module.validation_step(batch, batch_idx, *args)

    def on_validation_start(self) -> None:
        """Measure nothing of a training that has diverged."""
        super().on_validation_start()
        if not self.trainer.sanity_checking:
            self.watch.check(self.when, self.named_parameters())

    def on_train_epoch_end(self) -> None:
        """Let no checkpoint be kept of a training that has diverged."""
        super().on_train_epoch_end()
        self.watch.check(self.when, self.named_parameters())

    def measure(self) -> dict[str, float]:
        """Measure the ranking, and return its metrics, ``default`` among them."""
        metrics, self.measured = self.probe.measure(self)
        return metrics

    def on_validation_epoch_end(self) -> None:
        """Measure the ranking and report it to NNI; the evaluator's own report is left out."""
        with outside_trial():
            self.training_module.on_validation_epoch_end()
        if self.trainer.sanity_checking:
            return
        metrics = {**self.measure(), 'epoch': float(self.trainer.current_epoch)}
        self.history.append(metrics)
        if self.probe.name in metrics:
            self.log(self.probe.name, metrics[self.probe.name], prog_bar=True)
        if nni.get_current_parameter() is not None and self.trainer.is_global_zero:
            nni.report_intermediate_result(metrics)

    def on_fit_start(self) -> None:
        """Start anew with what is recorded: the weights may lie elsewhere."""
        super().on_fit_start()
        if self.cuda_graphs and self.ranks.count == 1:
            self._recorded = RecordedLosses(
                partial(quiet_loss, self.training_module), self.training_module,
                [sample for one in self.terms for sample in one.results.samples])

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
        known = [(sample_key(sample), metric) for one in self.terms
                 for sample, metric in one.results.pairs()]
        digest = hashlib.sha256(repr(known).encode()).hexdigest()[:12]
        return {**super().identity(), 'regularisers': [type(one).__name__ for one in self.terms],
                'stand-alone results': f'{len(known)} with hash {digest}'}

    def search_state(self) -> dict[str, Any]:
        """Return all that Lightning does not keep itself, in plain numbers, texts and tensors."""
        return {**super().search_state(), 'history': self.history, 'measured': self.measured,
                'terms': [one.state_dict() for one in self.terms]}

    def load_search_state(self, state: dict[str, Any]) -> None:
        """Continue from what `search_state` has returned."""
        super().load_search_state(state)
        self.history, self.measured = state['history'], state['measured']
        for one, its_state in zip(self.terms, state['terms']):
            one.load_state_dict(its_state)


def _plus(output: Any, extra: Any) -> Any:
    """Return what a training step has returned, with more added to its loss.

    A step that skips its batch has no loss; what is added is then all there is.
    """
    if output is None:
        return extra if isinstance(extra, Tensor) else None
    if isinstance(output, dict):
        return {**output, 'loss': output['loss'] + extra}
    return output + extra
