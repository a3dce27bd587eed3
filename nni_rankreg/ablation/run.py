"""One run of an ablation: a super-net, where its files lie, and the time that it has."""

from __future__ import annotations

import json
import multiprocessing
import re
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from .._util.files import replaced_file
from .arms import ARMS
from .problem import Problem, Setting

__all__ = ['OutOfTimeError', 'Run', 'Slice', 'finished_runs', 'unfinished_runs', 'write_json']


class OutOfTimeError(Exception):
    """A training had to end within an epoch; its checkpoint is that of the epoch before."""


@dataclass(frozen=True)
class Slice:
    """The time that a command has.

    Parameters
    ----------
    end
        When it is over, in seconds as of `time.time`; None is never.
    """

    end: float | None = None

    @property
    def left(self) -> float:
        """Seconds until the end; none if the process that has started this one was killed."""
        parent = multiprocessing.parent_process()
        if parent is not None and not parent.is_alive():
            return 0.
        return float('inf') if self.end is None else self.end - time.time()

    def check(self, seconds: float = 0.) -> None:
        """Raise an `OutOfTimeError` if something that takes some seconds would not fit."""
        if self.left <= seconds:
            raise OutOfTimeError(f'{seconds:.0f} s')


@dataclass(frozen=True, eq=False)
class Run:
    """A super-net of an ablation.

    Parameters
    ----------
    problem
        Space and table.
    setting
        Sizes of networks, data and training.
    data
        Folder of the data.
    out
        Folder of results, one file a run, of the states of runs that have not ended, and of the
        scores of proxies.
    device
        ``'cpu'`` or ``'cuda'``.
    arm
        One of `ARMS`.
    seed
        Of weights, data order, sub-nets and landmarks.
    """

    problem: Problem
    setting: Setting
    data: Path
    out: Path
    device: str
    arm: str
    seed: int

    @property
    def title(self) -> str:
        """What messages call the run."""
        return f'{self.arm}, seed {self.seed}'

    @property
    def identity(self) -> dict[str, Any]:
        """What must be the same in a run that goes on."""
        return {**self.setting, 'arm': self.arm, 'seed': self.seed, 'device': self.device}

    @property
    def epochs(self) -> int:
        """Number of epochs of the whole training."""
        return round(ARMS[self.arm].epochs * self.setting['epochs'])

    @property
    def state(self) -> Path:
        """Folder of the checkpoint, as long as there is one."""
        return self.out / 'state' / self._name

    @property
    def epochs_done(self) -> int:
        """Number of epochs in the checkpoint."""
        path = self.state / 'last.ckpt'
        if not path.exists():
            return 0
        return torch.load(path, map_location='cpu', weights_only=True)['epoch'] + 1

    def write(self, result: dict[str, Any]) -> None:
        """Write the result so that it is either complete or not there, and drop the checkpoint."""
        write_json(self.out / f'{self._name}.json', result)
        shutil.rmtree(self.state, ignore_errors=True)

    @property
    def _name(self) -> str:
        return f'{re.sub("[^A-Za-z0-9]+", "_", self.arm)}-{self.seed}'


def write_json(path: Path, content: Any) -> None:
    """Write a file so that it is either complete or as it was; its folder is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replaced_file(path) as part:
        part.write_text(json.dumps(content, indent=1))


def finished_runs(out: Path, setting: Setting) -> list[dict[str, Any]]:
    """Return what the runs of a folder have written.

    Parameters
    ----------
    out
        The folder.
    setting
        That all of them must have.

    Raises
    ------
    ValueError
        If one has another setting, or is no result.
    """
    results = []
    for path in sorted(out.glob('*.json')):
        try:
            result = json.loads(path.read_text())
            found = result['setting']
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f'Expected the result of a run in {path}, got {error!r}.') from error
        if found != setting:
            raise ValueError(f'Expected results of {setting} in {out}, got one of {found}, '
                             f'{path.name}. Give another folder as --out.')
        results.append(result)
    return results


def unfinished_runs(runs: Sequence[Run]) -> dict[Run, int]:
    """Return the runs without a result, and how many epochs of each are done.

    Parameters
    ----------
    runs
        At least one, of one folder and one setting.
    """
    finished = {(result['arm'], result['seed'])
                for result in finished_runs(runs[0].out, runs[0].setting)}
    return {run: run.epochs_done for run in runs if (run.arm, run.seed) not in finished}
