"""The command ``nni-rankreg ablate``: rankings of super-nets on a real table, in slices of time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from ..ablation.arms import ARMS
from ..ablation.nasbench101 import NASBENCH101
from ..ablation.nasbench201 import NASBENCH201
from ..ablation.pool import train_all
from ..ablation.problem import Problem, choose_setting
from ..ablation.run import Run, Slice, finished_runs, unfinished_runs
from ..ablation.summary import summarise_arms, summarise_teachers, teacher_correlations
from ..data.cifar10 import check_cifar10
from ..evaluator import check_device
from .argument import check_positive

__all__ = ['ablate']

_PROBLEMS = {'nb201': NASBENCH201, 'nb101': NASBENCH101}
_SHARE = 0.95  # of the minutes; the rest is for the start of Python and the table


def ablate(data: Path, out: Path = Path('runs/ablation'),
           space: Literal['nb201', 'nb101'] = 'nb201', operations: int = 5, full: bool = False,
           device: Literal['cpu', 'cuda'] = 'cpu', seeds: int = 3, arms: list[str] | None = None,
           jobs: int = 2, minutes: float | None = None,
           overrides: dict[str, float] = {}) -> None:
    """Compare what trains a super-net: how it ranks architectures of a table, on CIFAR-10.

    Each run trains a super-net on one half of the images, with the other for landmarks and
    proxies, and scores the same 200 architectures. An interrupted command goes on at the last
    epoch of each run, and repeats no run that has ended. Example: nni-rankreg ablate --data data

    Parameters
    ----------
    data
        folder with nb201.npz, or nb101_weightsharing.npz, and CIFAR-10: cifar10/ with montages,
        or cifar-10-batches-py
    out
        folder of the results, one file a run; states of runs that have not ended are in state/
    space
        nb201 is NAS-Bench-201, nb101 is NAS-Bench-101
    operations
        number of operations of nb201: 5, or 4 without none, the space of RD-NAS
    full
        the paper's setting (32x32, 25k/25k, stem 16, 5 cells, 250+150 epochs), for a GPU; --full
        alone takes it
    device
        cpu or cuda
    seeds
        number of seeds of each arm
    arms
        names, as ["spos","landmark"]; by default those whose results are published
    jobs
        number of runs at a time
    minutes
        the command ends within them; calling it again goes on
    overrides
        what differs in the setting, for example {"epochs": 20}
    """
    time_slice = Slice(None if minutes is None else time.time() + 60 * _SHARE * minutes)
    problem = _PROBLEMS[space]
    setting = choose_setting(problem, full, operations, overrides)
    chosen = list(arms or (problem.full_arms if full else problem.arms))
    check_positive(seeds=seeds, jobs=jobs, minutes=minutes)
    _check(problem, data, device, chosen)
    runs = [Run(problem, setting, data, out, device, arm, seed)
            for seed in range(seeds) for arm in chosen]
    out.mkdir(parents=True, exist_ok=True)
    before = unfinished_runs(runs)
    train_all(list(before), time_slice, jobs)
    after = unfinished_runs(runs)
    print(f'CIFAR-10; landmarks by {problem.validation}, ranking against {problem.test}, '
          f'{problem.scored} architectures; {setting}')
    print(summarise_arms(finished_runs(out, setting)))
    if after:
        print(_progress(after, len(runs)))
        if after == before:
            print('No epoch has ended in this time: give more minutes.')
    elif minutes is None and any('RD' in arm for arm in chosen):
        print(summarise_teachers(
            teacher_correlations(problem, setting, data, out, device, seeds)))


def _check(problem: Problem, data: Path, device: str, arms: Sequence[str]) -> None:
    """Tell what is wrong before the work begins."""
    unknown = [arm for arm in arms if arm not in ARMS]
    if unknown:
        raise ValueError(f'Expected arms among {list(ARMS)}, got {unknown}.')
    if not (data / problem.file).exists():
        raise FileNotFoundError(f'Expected the table {problem.file} in {data}, got none.')
    check_cifar10(data)
    check_device(device)


def _progress(left: dict[Run, int], count: int) -> str:
    """Return what is done and what is left."""
    lines = [f'{run.title}: {done} of {run.epochs} epochs' for run, done in left.items()]
    return '\n'.join([f'{count - len(left)} of {count} runs are done. Left are:', *lines,
                      'Give the same command again to go on.'])
