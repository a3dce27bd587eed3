"""Ask an evaluator's Lightning module for a loss or a metric; its logs stay untouched."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any

import torch
from nni.nas.evaluator.pytorch import LightningModule, SupervisedLearningModule
from torch import Tensor
from torchmetrics import Metric

__all__ = ['SkippedBatch', 'quiet_loss', 'quiet_metric']

_PLAIN = (list, dict, set, deque)  # in which modules collect what their hooks look at later


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
    if type(module).training_step is SupervisedLearningModule.training_step:
        inputs, targets = batch  # the same loss without the metrics, which would be discarded
        return module.criterion(module(inputs), targets)
    with _captured_log(module):
        output = module.training_step(batch, 0)
    if output is None:
        raise SkippedBatch
    loss = output['loss'] if isinstance(output, dict) else output
    if not isinstance(loss, Tensor):
        raise TypeError('Expected training_step of the evaluator to return a loss, got '
                        f'{type(loss).__name__}.')
    return loss


def quiet_metric(module: LightningModule, batch: Any, name: str) -> Tensor:
    """Return what the module's `validation_step` logs as `name` for a batch, a scalar.

    Parameters
    ----------
    module
        The Lightning module of an evaluator.
    batch
        As its `validation_step` takes it.
    name
        Name of the metric, for example ``val_acc``.

    Raises
    ------
    ValueError
        If no metric of that name is logged.
    """
    with _captured_log(module) as logged:
        module.validation_step(batch, 0)
        if name not in logged:
            raise ValueError('Expected a metric that validation_step logs, one of '
                             f'{sorted(logged)}, got {name!r}.')
        value = logged[name]
        return torch.as_tensor(value.compute() if isinstance(value, Metric) else value)


@contextmanager
def _captured_log(module: LightningModule) -> Iterator[dict[str, Any]]:
    """Collect what the module logs instead of logging it; metrics and lists stay as they are."""
    logged: dict[str, Any] = {}

    def log(name: str, value: Any, *_: Any, **__: Any) -> None:
        logged[name] = value

    def log_dict(values: Any, *_: Any, **__: Any) -> None:
        logged.update(values)

    metrics = [child for part in module.children() if part is not getattr(module, 'model', None)
               for child in part.modules() if isinstance(child, Metric)]
    states = [_states(metric) for metric in metrics]
    for metric in metrics:
        _clear(metric)
    collected = {name: value for name, value in vars(module).items()
                 if type(value) in _PLAIN and not name.startswith('_')}
    vars(module).update({name: copy(value) for name, value in collected.items()})
    outside = {name: vars(module)[name] for name in ('log', 'log_dict') if name in vars(module)}
    vars(module).update(log=log, log_dict=log_dict)
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
