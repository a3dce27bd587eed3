"""Milliseconds of any architecture of a space, on the user's machine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nni.nas.nn.pytorch import ModelSpace
from torch import Tensor

from ..._util.device import check_device
from ..._util.error import brief
from ..._util.path import user_path
from ...sampler import UniformSampler
from ...space.usage import UsedChoices
from ...typing import Sample, without
from .agreement import Agreement
from .backend import check_backend
from .estimator import Estimator, best_estimator
from .example import Example, describe_example, described_example, make_example
from .feature import Features, counted, part_sum, profiled
from .identity import fingerprint, machine, space_facts
from .network import Workbench
from .setting import SETTING, check_setting, make_device
from .stopwatch import Stopwatch
from .table import LatencyTable
from .turns import take_turns

__all__ = ['MeasuredLatency']

_LEAST = 10  # networks to learn from
_HERE = ('machine', 'torch')


class MeasuredLatency:
    """Milliseconds of any architecture of a space on this machine: a cost, lower is better.

    The layers that the space chooses among are timed, each in its place on what it gets there, and
    random networks as a whole. The milliseconds of others are a sum over their layers, and their
    multiply-accumulates and parameters (by NNI's profilers), corrected by a regression on
    their choices: by which, and whether at all, is decided by cross-validation over the measured
    networks. Batch normalisation and dropout are those of inference.

    All is timed in turns, again and again, and the mean of its three least times counts: what else
    runs on the machine adds to others. One thread of the CPU is measured by its processor time, a
    GPU by its events. Memory stays with the process meanwhile, as in a program that serves a
    network.

    Parameters
    ----------
    space
        Any NNI model space.
    example_input
        An input with its batch, the shape of one image such as ``(3, 224, 224)``, or a tuple of all
        arguments of a network.
    device
        Where networks run.
    threads
        Of the CPU.
    backend
        ``'torch'``, or ``'onnxruntime'`` if that is installed.
    file
        CSV file in which everything is kept the moment it is measured. What is in it is not
        measured again, so that an interrupted measurement goes on; a finished one is read on any
        machine. It travels to trials by its name.
    networks
        Random networks that are measured.
    repeats, seconds
        How often each is timed at most, and about how long all that takes at most.
    seed
        Of the networks.
    progress
        Whether to show a progress bar.

    Attributes
    ----------
    name, unit
        For columns: latency, in ms.

    Raises
    ------
    ValueError
        If the networks do not take the example input, there is no such device, or the file is of
        another space or setting.

    .. note:: Measuring begins with the first question, or by `measure`.

    Examples
    --------
    >>> from nni_rankreg.space import NasBench201
    >>> latency = MeasuredLatency(NasBench201(4, 1), (3, 8, 8), networks=10, repeats=1,
    ...                           progress=False)
    >>> latency([{label: 'conv_3x3' for label in NasBench201(4, 1).simplify()}]).shape
    torch.Size([1])
    """

    name, unit = 'latency', 'ms'
    table: LatencyTable

    def __init__(self, space: ModelSpace, example_input: Example, device: str = 'cpu',
                 threads: int = 1, *, backend: str = 'torch',
                 file: str | os.PathLike[str] | None = None, networks: int = 100, repeats: int = 12,
                 seconds: float = 240., seed: int = 0, progress: bool = True):
        if not isinstance(space, ModelSpace):
            raise ValueError(f'Expected a model space of NNI, got {brief(space)}.')
        if threads < 1 or networks < _LEAST or repeats < 1 or not seconds > 0:
            raise ValueError(f'Expected at least 1 thread, {_LEAST} networks and 1 repeat, and '
                             f'seconds above 0, got {threads}, {networks}, {repeats} and '
                             f'{seconds}.')
        self._settings: dict[str, Any] = dict(
            device=device, threads=threads, backend=backend, networks=networks, repeats=repeats,
            seconds=seconds, seed=seed, progress=progress,
            file=None if file is None else user_path(file).absolute())
        self._set(space, make_example(example_input), **self._settings)
        self._load()
        if not self._finished:
            self._begin()

    def _set(self, space: ModelSpace, example: tuple[Tensor, ...], device: str, threads: int,
             backend: str, networks: int, repeats: int, seconds: float, seed: int, progress: bool,
             file: Path | None) -> None:
        self.space, self.example = space, example
        self.device, self.threads, self.backend = make_device(device), threads, backend
        self.networks, self.repeats, self.seconds = networks, repeats, seconds
        self.seed, self.progress, self.file = seed, progress, file
        self._sampler = UniformSampler(space, seed)
        setting = (fingerprint(space), describe_example(example), str(self.device), str(threads),
                   backend)
        self.table = LatencyTable({'space': type(space).__name__, **space_facts(space),
                                   **dict(zip(SETTING, setting))})

    @classmethod
    def read(cls, path: str | os.PathLike[str], space: ModelSpace) -> MeasuredLatency:
        """Return the latency of a table that was measured here or elsewhere.

        Parameters
        ----------
        path
            A file of `write`, or that was given as `file`.
        space
            The space of the table.

        Raises
        ------
        ValueError
            If it is no such table, or one of another space, or is not finished.
        """
        about = LatencyTable.read(path).about
        missing = [name for name in (*SETTING, 'finished') if name not in about]
        if missing:
            raise ValueError(f'Expected a finished table of MeasuredLatency, got {path} without '
                             f'{missing[0]}.')
        if not about['threads'].isdecimal():
            raise ValueError(f'Expected a number of threads in {path}, got '
                             f'{brief(about["threads"])}.')
        return cls(space, described_example(about['input']), about['device'],
                   int(about['threads']), backend=about['backend'], file=path)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the table, which can be read on another machine."""
        self.measure()
        self.table.write(path)

    def measure(self) -> MeasuredLatency:
        """Measure what is missing, and say before how long that takes.

        It may be interrupted: `file` has what was measured until then.
        """
        if not self._finished:
            self._load()               # another object may have measured it meanwhile
        if not self._finished:
            self._measure([])
        return self

    def __call__(self, samples: Sequence[Sample]) -> Tensor:
        """Return the milliseconds of N architectures, shape (N,), float64, lower is better.

        Raises
        ------
        ValueError
            If one is no architecture of the space; naming the label.
        """
        own = [self._sampler.canonical(sample) for sample in samples]
        self.measure()
        return torch.from_numpy(self._estimator[0].predict(own)) if own else torch.zeros(0).double()

    @property
    def errors(self) -> dict[str, float]:
        """Estimator -> mean relative error on measured networks that it had not seen."""
        self.measure()
        return self._estimator[1]

    def agreement(self, count: int = 30) -> Agreement:
        """Measure networks that this has not seen, each a first and a second time, and compare.

        If nothing has been measured before, all are measured in turns, so that what makes the
        machine faster or slower for some minutes is the same for all.

        Parameters
        ----------
        count
            Networks, at least 2; fewer of a small space.

        Raises
        ------
        ValueError
            If they are fewer, or the space has no others than those that this learns from.
        """
        if count < 2:
            raise ValueError(f'Expected at least 2 networks to compare, got {count}.')
        seen = self._learned
        drawn = UniformSampler(self.space, self.seed + 1).up_to(count + len(seen))
        others = without(drawn, seen)[:count]
        if len(others) < 2:
            raise ValueError('Expected a space with networks that are not learned from, got '
                             f'{len(others)} beside {len(seen)}. Learn from fewer.')
        if self.table.about.get('compared') != str(len(others)):
            self._measure(others)
        first, second = (np.array(self.table.milliseconds(kind, others))
                         for kind in ('unseen', 'again'))
        return Agreement.of(self(others).numpy(), first, second)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel as the arguments of the space, and the file or else the table."""
        recipe = self.space.trace_symbol, self.space.trace_args, self.space.trace_kwargs
        return _restored, (recipe, describe_example(self.example), self._settings,
                           self.table if self.file is None else None)

    def __repr__(self) -> str:
        about = self.table.about
        return f'MeasuredLatency({about["space"]}, {about["input"]}, {about["device"]})'

    @property
    def _finished(self) -> bool:
        return 'finished' in self.table.about

    @cached_property
    def _workbench(self) -> Workbench:
        return Workbench(self.space, self.example, self.device, self.threads, self.backend)

    @cached_property
    def _estimator(self) -> tuple[Estimator, dict[str, float]]:
        """The estimator that is best by cross-validation, and the errors of all."""
        samples = list(map(self._sampler.canonical, self.table.names('network')))
        milliseconds = np.array(self.table.milliseconds('network', samples))
        return best_estimator(Features(self.space, self._sums()), samples, milliseconds)

    def _sums(self) -> dict[str, Any]:
        """Return what is known of an architecture as a sum over its layers."""
        sums: dict[str, Any] = {}
        parts = self.table.names('part')
        if parts:
            sums['layers'] = part_sum(parts, self.table.milliseconds('part', parts),
                                      UsedChoices(self.space))
        sums.update(profiled(self.space, self.example))
        if not sums:
            sums.update(counted(self.space, self.example))
        return sums

    def _begin(self) -> None:
        """Note where it is measured; refuse what does not fit before anything takes long."""
        check_device(str(self.device))
        check_backend(self.backend, self.device)
        about = {'machine': machine(self.device), 'torch': torch.__version__}
        for name in _HERE:
            if self.table.about.get(name, about[name]) != about[name]:
                raise ValueError(f'Expected a measurement to go on where it began, got {name} '
                                 f'{about[name]} in place of {self.table.about[name]} in '
                                 f'{self.file}. Take another file.')
        self._workbench.network(self._sampler.up_to(1)[0])
        self.table.about.update(about, clock=Stopwatch(self.device, self.threads).clock)

    @property
    def _learned(self) -> list[Sample]:
        """The networks that are measured to learn from."""
        if self._finished:
            return self.table.names('network')
        return UniformSampler(self.space, self.seed).up_to(self.networks)

    def _measure(self, others: Sequence[Sample]) -> None:
        """Measure, in turns, what is missing to learn from, and others twice."""
        self._begin()
        learned = self._learned
        turns = [turn for kind in ('unseen', 'again') if others
                 for turn in self._workbench.networks(kind, others)]
        networks = len(turns)
        if not self._finished:
            networks += len(learned)
            turns += [*self._workbench.parts(), *self._workbench.networks('network', learned)]
        take_turns(turns, Stopwatch(self.device, self.threads), self.table, repeats=self.repeats,
                   seconds=self.seconds * networks / len(learned), save=self._save,
                   progress=self.progress)
        self.table.about.setdefault('finished', datetime.now().isoformat(' ', 'seconds'))
        if others:
            self.table.about['compared'] = str(len(others))
        self._save()

    def _load(self) -> None:
        """Take the table of the file, if there is one."""
        if self.file is not None and self.file.exists():
            table = LatencyTable.read(self.file)
            check_setting(table, self.table.about, self.file)
            self.table = table

    def _save(self) -> None:
        if self.file is not None:
            self.table.write(self.file)


def _restored(recipe: tuple[Any, ...], example: str, settings: dict[str, Any],
              table: LatencyTable | None) -> MeasuredLatency:
    symbol, args, kwargs = recipe
    space = symbol(*args, **kwargs)
    if table is None:
        return MeasuredLatency(space, described_example(example), **settings)
    found = MeasuredLatency.__new__(MeasuredLatency)
    found._set(space, described_example(example), **settings)
    found._settings, found.table = settings, table
    return found
