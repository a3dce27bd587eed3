"""Ask an evaluator's Lightning module for a loss or a metric; its logs stay untouched."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import torch
from nni.nas.evaluator.pytorch import LightningModule, SupervisedLearningModule
from torch import Tensor
from torchmetrics import Metric

from ..host.trial import outside_trial

__all__ = ['Entry', 'SkippedBatch', 'batch_metric', 'quiet_loss', 'sized_loss',
           'validation_metric', 'validation_size']

_PLAIN = (list, dict, set, deque)  # in which modules collect what their hooks look at later


class SkippedBatch(Exception):  # noqa: N818 - no error: Lightning skips such a batch, too
    """The evaluator's `training_step` has returned None, to skip the batch."""


@dataclass(frozen=True)
class Entry:
    """Something that a module has logged."""

    value: Any
    """A number, or a metric."""
    size: float | None
    """Number of examples that it is about, where the module has said it."""
    mean: bool = True
    """Whether numbers of several batches are averaged."""


class Logged(dict[str, list[Entry]]):
    """All that a module has logged, by name."""

    size: float | None = None
    """Number of examples in the batch at hand, where the module does not say it."""

    def log(self, name: str, value: Any, *_: Any, batch_size: float | None = None,
            reduce_fx: Any = 'mean', **__: Any) -> None:
        """Take note of a value, in place of `LightningModule.log`."""
        size = self.size if batch_size is None else batch_size
        self.setdefault(name, []).append(Entry(value, size, reduce_fx in ('mean', torch.mean)))

    def log_dict(self, values: Any, *arguments: Any, **options: Any) -> None:
        """Take note of several values, in place of `LightningModule.log_dict`."""
        for name, value in values.items():
            self.log(name, value, *arguments, **options)

    def said_size(self) -> float | None:
        """Return the first number of examples that the module has said, or None."""
        return next((entry.size for entries in self.values() for entry in entries
                     if entry.size is not None), None)


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
    with _captured_log(module) as logged:
        output = module.training_step(batch, 0)
    if output is None:
        raise SkippedBatch
    loss = output['loss'] if isinstance(output, dict) else output
    if not isinstance(loss, Tensor):
        raise TypeError('Expected training_step of the evaluator to return a loss, got '
                        f'{type(loss).__name__}.')
    return loss, logged.said_size()


def validation_size(module: LightningModule, batch: Any, index: int) -> float | None:
    """Return the number of examples in a batch as `validation_step` says it in its log, or None."""
    if type(module).validation_step is SupervisedLearningModule.validation_step:
        return None
    with _captured_log(module) as logged:
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
    with _captured_log(module) as logged:
        module.validation_step(batch, index)
        entry = logged.get(name, [Entry(None, None, mean=False)])[-1]
        number = entry.mean and not isinstance(entry.value, Metric)
        return replace(entry, value=float(entry.value)) if number else None


def validation_metric(module: LightningModule, batches: Sequence[Any], sizes: Sequence[float],
                      name: str) -> float:
    """Return the metric of a whole validation of the module's model, which leaves no trace.

    A metric of torchmetrics is updated by all batches and computed once. What is logged when the
    epoch ends counts as it is; other numbers are averaged over the batches.

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
    with _captured_log(module) as logged, outside_trial():
        module.on_validation_epoch_start()
        for index, (batch, logged.size) in enumerate(zip(batches, sizes)):
            module.on_validation_batch_start(batch, index)
            module.on_validation_batch_end(module.validation_step(batch, index), batch, index)
        logged.size = None
        module.on_validation_epoch_end()
        if name not in logged:
            raise ValueError('Expected a metric that validation_step logs, one of '
                             f'{sorted(logged)}, got {name!r}.')
        return _reduced(logged[name])


def _reduced(entries: Sequence[Entry]) -> float:
    last = entries[-1].value
    if isinstance(last, Metric):
        return float(last.compute())
    if not entries[-1].mean:
        raise ValueError('Expected a metric whose batches are averaged, or one of torchmetrics, '
                         'got one with another reduce_fx.')
    weights = [1. if entry.size is None else entry.size for entry in entries]
    total = sum(float(entry.value) * weight for entry, weight in zip(entries, weights))
    return total / sum(weights)


@contextmanager
def _captured_log(module: LightningModule) -> Iterator[Logged]:
    """Collect what the module logs instead of logging it; metrics and lists stay as they are."""
    logged = Logged()
    metrics = [child for part in module.children() if part is not getattr(module, 'model', None)
               for child in part.modules() if isinstance(child, Metric)]
    states = [_states(metric) for metric in metrics]
    for metric in metrics:
        _clear(metric)
    collected = {name: value for name, value in vars(module).items()
                 if type(value) in _PLAIN and not name.startswith('_')}
    vars(module).update({name: copy(value) for name, value in collected.items()})
    outside = {name: vars(module)[name] for name in ('log', 'log_dict') if name in vars(module)}
    vars(module).update(log=logged.log, log_dict=logged.log_dict)
    try:
        yield logged
    finally:
        for name in ('log', 'log_dict'):
            vars(module).pop(name)
        vars(module).update({**outside, **collected})
        for metric, state in zip(metrics, states):
            for name, value in state.items():
                setattr(metric, name, value)


def _states(metric: Metric) -> dict[str, Any]:
    """Return the state of a metric with what torchmetrics derives from it, and its setting."""
    derived = ('_update_count', '_computed', '_forward_cache', 'distributed_available_fn')
    return {**metric.metric_state, **{name: getattr(metric, name) for name in derived}}


def _clear(metric: Metric) -> None:
    for name, value in metric.metric_state.items():
        if isinstance(value, list):
            setattr(metric, name, [])                # reset() would empty the list that is kept
    metric.reset()
    metric.distributed_available_fn = lambda: False  # processes score different architectures
