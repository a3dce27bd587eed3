"""Ask an evaluator's Lightning module for a loss or a metric; its logs stay untouched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from nni.nas.evaluator.pytorch import LightningModule, SupervisedLearningModule
from torch import Tensor
from torchmetrics import Metric

from .._util.forward import ReplacedForward
from ..host.trial import outside_trial
from ..proxy.state import Batch, ProxyError
from .log import Entry, captured_log, reduced

__all__ = ['SkippedBatch', 'batch_metric', 'outputs_loss', 'quiet_loss', 'sized_loss',
           'validation_metric', 'validation_size']


class SkippedBatch(Exception):  # noqa: N818 - no error: Lightning skips such a batch, too
    """The evaluator's `training_step` has returned None, to skip the batch."""


def quiet_loss(module: LightningModule, batch: Any) -> Tensor:
    """Return the training loss of the module's model on a batch, a scalar; nothing is logged.

    Parameters
    ----------
    module
        The Lightning module of an evaluator.
    batch
        As its `training_step` takes it.

    Raises
    ------
    SkippedBatch
        If `training_step` skips the batch.
    TypeError
        If it returns no loss.
    """
    return sized_loss(module, batch)[0]


def sized_loss(module: LightningModule, batch: Any) -> tuple[Tensor, float | None]:
    """Return the same with the number of examples, None unless the module says it in its log."""
    if type(module).training_step is SupervisedLearningModule.training_step:
        inputs, targets = batch  # the same loss without the metrics, which would be discarded
        return module.criterion(module(inputs), targets), None
    with captured_log(module) as logged:
        output = module.training_step(batch, 0)
    if output is None:
        raise SkippedBatch
    loss = output['loss'] if isinstance(output, dict) else output
    if not isinstance(loss, Tensor):
        raise TypeError('Expected training_step of the evaluator to return a loss, got '
                        f'{type(loss).__name__}.')
    return loss, logged.said_size()


def outputs_loss(module: LightningModule, outputs: Any, batch: Batch) -> Tensor:
    """Return the training loss of a batch for which a network has returned `outputs`.

    It is the criterion of NNI's modules. Others have their `training_step` computed, in which the
    model returns `outputs`.

    Raises
    ------
    ProxyError
        If `training_step` does not call its model once, with the images as they are.
    """
    if isinstance(module, SupervisedLearningModule):
        return module.criterion(outputs, batch[1])
    inputs: list[Any] = []

    def model(*arguments: Any, **named: Any) -> Any:
        inputs.append([*arguments, *named.values()])
        return outputs

    with ReplacedForward({module.model: model}):
        loss = quiet_loss(module, batch)
    if len(inputs) != 1 or len(inputs[0]) != 1 or not _same(inputs[0][0], batch[0]):
        raise ProxyError('Expected a training_step that calls its model once, with the images of '
                         'the batch as they are, so that its loss is one of outputs and labels, '
                         f'got another of {type(module).__name__}: give a '
                         "ProxyScorer(..., options={'loss': ...}) in place of the proxy's name.")
    return loss


def _same(inputs: Any, images: Tensor) -> bool:
    return isinstance(inputs, Tensor) and (inputs is images or torch.equal(inputs, images))


def validation_size(module: LightningModule, batch: Any, index: int) -> float | None:
    """Return the number of examples in a batch as `validation_step` says it in its log, or None."""
    if type(module).validation_step is SupervisedLearningModule.validation_step:
        return None
    with captured_log(module) as logged:
        module.validation_step(batch, index)
    return logged.said_size()


def batch_metric(module: LightningModule, batch: Any, index: int, name: str) -> Entry | None:
    """Return what the module's `validation_step` logs as `name` for a batch.

    Parameters
    ----------
    module
        The Lightning module of an evaluator.
    batch, index
        As its `validation_step` takes them.
    name
        Name of the metric, for example ``val_acc``.

    Returns
    -------
    None unless it is a number whose mean over the batches is that of a validation.
    """
    with captured_log(module) as logged:
        module.validation_step(batch, index)
        entry = logged[name][-1] if name in logged else None
        if entry is None or entry.reduction != 'mean' or isinstance(entry.value, Metric):
            return None
        return replace(entry, value=float(entry.value))


def validation_metric(module: LightningModule, batches: Sequence[Any], sizes: Sequence[float],
                      name: str) -> float:
    """Return the metric of a whole validation of the module's model, which leaves no trace.

    A metric of torchmetrics is updated by all batches and computed once. What is logged when the
    epoch ends counts as it is; other numbers are reduced as Lightning does, by `reduce_fx`.

    Parameters
    ----------
    module
        The Lightning module of an evaluator.
    batches
        As its `validation_step` takes them.
    sizes
        Number of examples in each, where the module does not say it in its log.
    name
        Name of the metric.

    Raises
    ------
    ValueError
        If no metric of that name is logged.
    """
    with captured_log(module) as logged, outside_trial():
        module.on_validation_epoch_start()
        for index, (batch, logged.size) in enumerate(zip(batches, sizes)):
            module.on_validation_batch_start(batch, index)
            module.on_validation_batch_end(module.validation_step(batch, index), batch, index)
        logged.size = None
        module.on_validation_epoch_end()
        if name not in logged:
            raise ValueError('Expected a metric that validation_step logs, one of '
                             f'{sorted(logged)}, got {name!r}.')
        return reduced(logged[name])
