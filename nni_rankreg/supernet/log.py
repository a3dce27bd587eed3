"""What an evaluator's Lightning module logs, collected instead of logged."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from typing import Any

from nni.nas.evaluator.pytorch import LightningModule
from torchmetrics import Metric

__all__ = ['Entry', 'Logged', 'captured_log', 'reduced']

_PLAIN = (list, dict, set, deque)  # in which modules collect what their hooks look at later
_REDUCTIONS: dict[str, Callable[[list[float]], float]] = {'sum': sum, 'max': max, 'min': min}


@dataclass(frozen=True)
class Entry:
    """Something that a module has logged."""

    value: Any
    """A number, or a metric."""
    size: float | None
    """Number of examples that it is about, where the module has said it."""
    reduction: str = 'mean'
    """What numbers of several batches become: their mean, sum, max or min."""


class Logged(dict[str, list[Entry]]):
    """All that a module has logged, by name."""

    size: float | None = None
    """Number of examples in the batch at hand, where the module does not say it."""

    def log(self, name: str, value: Any, *_: Any, batch_size: float | None = None,
            reduce_fx: Any = 'mean', **__: Any) -> None:
        """Take note of a value, in place of `LightningModule.log`."""
        size = self.size if batch_size is None else batch_size
        self.setdefault(name, []).append(Entry(value, size, _reduction(reduce_fx)))

    def log_dict(self, values: Any, *arguments: Any, **options: Any) -> None:
        """Take note of several values, in place of `LightningModule.log_dict`."""
        for name, value in values.items():
            self.log(name, value, *arguments, **options)

    def said_size(self) -> float | None:
        """Return the first number of examples that the module has said, or None."""
        return next((entry.size for entries in self.values() for entry in entries
                     if entry.size is not None), None)


def reduced(entries: Sequence[Entry]) -> float:
    """Return what has been logged under one name in a validation, as Lightning reduces it."""
    last = entries[-1].value
    if isinstance(last, Metric):
        return float(last.compute())
    values = [float(entry.value) for entry in entries]
    if entries[-1].reduction != 'mean':
        return _REDUCTIONS[entries[-1].reduction](values)
    weights = [1. if entry.size is None else entry.size for entry in entries]
    return sum(value * weight for value, weight in zip(values, weights)) / sum(weights)


def _reduction(reduce_fx: Any) -> str:
    """Return the name of what Lightning takes as `reduce_fx`: a name, or a function of torch."""
    name = reduce_fx.lower() if isinstance(reduce_fx, str) else getattr(reduce_fx, '__name__', '')
    if name in ('mean', 'avg'):
        return 'mean'
    if name not in _REDUCTIONS:
        raise ValueError('Expected reduce_fx of a metric to be mean, sum, max or min, as Lightning '
                         f'does, got {reduce_fx!r}. Log a metric of torchmetrics instead.')
    return name


@contextmanager
def captured_log(module: LightningModule) -> Iterator[Logged]:
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
