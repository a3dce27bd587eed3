"""The outcome of an ablation: arms with their rank correlations, and the proxies that teach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from ..data.cifar10 import load_cifar10
from ..metric import kendall_tau, margin_of_error
from ..report import markdown_table
from ..typing import Results
from .arms import ARMS, VOTE, Inputs, teacher
from .problem import Problem, Setting

__all__ = ['COLUMNS', 'MEAN_RANK', 'summarise_arms', 'summarise_teachers', 'teacher_correlations']

COLUMNS = ('Kendall tau-b', '95 % interval', 'sparse tau (0.1)', 'each seed', 'seconds', 'cost',
           'hinge active')
MEAN_RANK = 'mean of their ranks'


def summarise_arms(results: list[dict[str, Any]], arms: Mapping[str, str] | None = None,
                   columns: Sequence[str] = COLUMNS) -> str:
    """Return in Markdown each arm with its mean over seeds and its 95 % interval (Student's t).

    Parameters
    ----------
    results
        Of `finished_runs`. An arm with a single one has no interval.
    arms
        The rows, by the name of an arm what its row is called; None takes all arms.
    columns
        Some of `COLUMNS`.
    """
    seconds = {row['seed']: row['seconds'] for row in results if row['arm'] == 'spos'}
    lines = []
    for arm, title in (arms or {arm: arm for arm in ARMS}).items():
        rows = sorted((row for row in results if row['arm'] == arm), key=lambda row: row['seed'])
        if rows:
            cells = _cells(rows, seconds)
            lines.append([title, *(cells[column] for column in columns)])
    return markdown_table(['arm', *columns], lines)


def _cells(rows: list[dict[str, Any]], seconds: Mapping[int, float]) -> dict[str, str]:
    """Return all columns of an arm; `seconds` are those of plain SPOS, seed by seed."""
    taus = np.array([row['kendall_tau'] for row in rows])
    costs = [row['seconds'] / seconds[row['seed']] for row in rows if row['seed'] in seconds]
    mean = {name: np.mean([row[name] for row in rows])
            for name in ('sparse_kendall_tau', 'seconds', 'active')}
    return dict(zip(COLUMNS, [
        f'{taus.mean():+.3f}', _interval(taus), f'{mean["sparse_kendall_tau"]:+.3f}',
        ', '.join(f'{tau:+.3f}' for tau in taus), f'{mean["seconds"]:.0f}',
        f'{np.mean(costs):.2f} ({min(costs):.2f} .. {max(costs):.2f})' if costs else '',
        f'{mean["active"]:.0%}' if 'landmark' in rows[0]['arm'] else '']))


def _interval(taus: np.ndarray) -> str:
    if len(taus) < 2:
        return ''
    half = margin_of_error(taus)
    return f'{taus.mean() - half:+.3f} .. {taus.mean() + half:+.3f}'


def teacher_correlations(problem: Problem, setting: Setting, data: Path, out: Path, device: str,
                         seeds: int) -> dict[str, list[float]]:
    """Return how the proxies that teach rank the architectures themselves: tau for each seed.

    Parameters
    ----------
    problem, setting
        What is ranked, and with which networks.
    data, out
        Folder of the data, and of the scores of proxies that are known already.
    device
        Where to compute.
    seeds
        Number of seeds.
    """
    fixed = problem.table(data, problem.test, setting).subset(problem.scored, seed=0)
    images, labels = load_cifar10(data, 0, 32, setting['pixels'])
    batch = images.to(device), labels.to(device)
    taus: dict[str, list[float]] = {name: [] for name in (*VOTE, MEAN_RANK)}
    for seed in range(seeds):
        inputs = Inputs(setting, seed, Results([], []), problem.space(setting), batch,
                        out / 'proxies.sqlite', data)
        ranks = [stats.rankdata(teacher(name, inputs)(fixed.samples).nan_to_num(nan=-np.inf))
                 for name in VOTE]
        for name, rank in zip(taus, [*ranks, np.mean(ranks, axis=0)]):
            taus[name].append(kendall_tau(rank, fixed.metrics))
    return taus


def summarise_teachers(taus: Mapping[str, Sequence[float]]) -> str:
    """Return the correlations of `teacher_correlations` in Markdown.

    Parameters
    ----------
    taus
        Name of a teacher -> tau for each seed.
    """
    return markdown_table(['teacher', 'Kendall tau-b', 'each seed'], [
        [name, f'{np.mean(values):+.3f}', ', '.join(f'{tau:+.3f}' for tau in values)]
        for name, values in taus.items()])
