r"""When does a super-net pay? What evidence, super-nets, and both together say of a space.

The super-nets are those of ``nni-rankreg ablate``: those of NAS-Bench-201 of 30 epochs in the
folder nb201_ranking, of more in folders with their number, those of NAS-Bench-101 in nb101_ranking.
Beside them stands, on the same 200 architectures, what needs none:

* the vote of five proxies: on NAS-Bench-201 their published scores, `published_evidence`, on
  NAS-Bench-101 those of the networks of the super-net, computed for each seed;
* the learned teacher, an `Ensemble` on structure and these, fitted to the 30 landmarks of a seed.

They are computed here, once, in some minutes. The ranks of a super-net are averaged with those of
either, the latter as `SPOS(evidence=LearnedTeacher())` has it.

    nni-rankreg ablate --data ../shared/data --out benchmarks/results/nb201_ranking_60 \
        --overrides '{"epochs": 60}' --arms '["landmark_64, all pairs of 4"]'
    python benchmarks/supernet_or_evidence.py --data ../shared/data
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jsonargparse import CLI
from quiet import quiet
from scipy.stats import rankdata
from stored import read, stored

from nni_rankreg.ablation.evidence import published_evidence
from nni_rankreg.ablation.nasbench101 import NASBENCH101
from nni_rankreg.ablation.nasbench201 import NASBENCH201
from nni_rankreg.ablation.problem import Problem, choose_setting
from nni_rankreg.data.cifar10 import load_cifar10
from nni_rankreg.metric import kendall_tau, margin_of_error
from nni_rankreg.predictor import Ensemble, Evidence
from nni_rankreg.report import markdown_table

FILE = 'supernet_or_evidence.json'
SEEDS = 8
VOTE, TEACHER = 'vote of five proxies', 'learned teacher'
ARMS_SHOWN = {
    'spos': 'plain super-net',
    'landmark_64, 4 pairs': 'landmarks, drawn pairs',
    'landmark_64, all pairs of 4': 'landmarks, all pairs',
    'landmark + learned teacher, all pairs of 4': 'landmarks and learned teacher, all pairs',
    'nao + landmark': 'landmarks, NAO'}


class Space(NamedTuple):
    """A space with its super-nets."""

    problem: Problem
    folders: str
    overrides: dict[str, float]
    seeds: int


SPACES = {'NAS-Bench-201': Space(NASBENCH201, 'nb201_ranking*', {}, SEEDS),
          'NAS-Bench-101': Space(NASBENCH101, 'nb101_ranking', {'epochs': 16.}, 3)}


class Ranked(NamedTuple):
    """Correlations of a source, a number for each seed: alone, and averaged with what is free."""

    title: str
    epochs: int
    seeds: list[int]
    cpu_seconds: float | None
    alone: list[float]
    with_vote: list[float]
    with_teacher: list[float]


def measure(name: str, data: Path) -> dict[str, Any]:
    """Return the truth of a space, and what vote and teacher of each seed say of it."""
    problem, _, overrides, seeds = SPACES[name]
    setting = choose_setting(problem, False, 5, overrides)
    space = problem.space(setting)
    truth = problem.table(data, problem.test, setting).subset(problem.scored, seed=0)
    table = problem.table(data, problem.validation, setting)
    votes, teachers, seconds = [], [], []
    for seed in range(seeds):
        landmarks = problem.landmarks(space, table, setting['landmarks'], seed, truth)
        started = time.process_time()
        evidence = (published_evidence(data, space) if problem is NASBENCH201 else Evidence(
            space, load_cifar10(data, 0, 32, setting['pixels']), reference=200, seed=seed,
            progress=False))
        teacher = Ensemble(space, evidence=evidence, progress=False)
        teacher.fit(landmarks, table(landmarks).tolist())
        teachers.append(teacher.score(truth.samples).tolist())
        votes.append(evidence(truth.samples).tolist())
        seconds.append(time.process_time() - started)
    return {'truth': truth.metrics, 'vote': votes, 'teacher': teachers, 'cpu_seconds': seconds}


def ranked(results: Path, space: str) -> Iterator[Ranked]:
    """Yield the correlations of what needs no super-net, and of each super-net."""
    free = read(results / FILE)[space]
    votes, teachers = free['vote'], free['teacher']

    def taus(*sources: Sequence[Sequence[float]]) -> list[float]:
        return [kendall_tau(sum(map(rankdata, scores)), free['truth'])
                for scores in zip(*sources, strict=True)]

    seeds = list(range(len(teachers)))
    yield Ranked(VOTE, 0, seeds, None, taus(votes), [], [])
    yield Ranked(TEACHER, 0, seeds, np.mean(free['cpu_seconds']), taus(teachers), [], [])
    found = [read(path) for folder in sorted(results.glob(SPACES[space].folders))
             for path in sorted(folder.glob('*.json'))]
    for (arm, epochs), runs in _grouped(found, len(seeds)).items():
        own = [run['seed'] for run in runs]
        seconds = [run['cpu_seconds'] for run in runs if 'cpu_seconds' in run]
        scores = [run['scores'] for run in runs]
        yield Ranked(ARMS_SHOWN[arm], epochs, own, np.mean(seconds) if seconds else None,
                     taus(scores), *(taus(scores, [others[seed] for seed in own])
                                     for others in (votes, teachers)))


def _grouped(runs: Sequence[Mapping[str, Any]],
             seeds: int) -> dict[tuple[str, int], list[Mapping[str, Any]]]:
    """Return the runs that are shown by arm and number of epochs, in this order."""
    found: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    order = list(ARMS_SHOWN)
    for run in sorted(runs, key=lambda run: run['seed']):
        if run['arm'] in order and run['seed'] < seeds:
            found.setdefault((run['arm'], run['setting']['epochs']), []).append(run)
    return dict(sorted(found.items(), key=lambda item: (order.index(item[0][0]), item[0][1])))


def report(path: Path, space: str) -> str:
    """Return the correlations in a space and their intervals, as Markdown; `path` is the file."""
    rows = [*ranked(path.parent, space)]
    free = {row.title: row.alone for row in rows if not row.epochs}
    lines = []
    for row in rows:
        averaged = []
        for name, taus in ((VOTE, row.with_vote), (TEACHER, row.with_teacher)):
            averaged += [taus, [tau - free[name][seed] for seed, tau in zip(row.seeds, taus)]]
        seconds = '' if row.cpu_seconds is None else f'{float(f"{row.cpu_seconds:.3g}"):g}'
        lines.append([row.title, row.epochs or '', len(row.seeds), seconds,
                      *map(interval, (row.alone, *averaged))])
    return markdown_table(['ranks by', 'epochs', 'seeds', 'CPU seconds', 'alone', 'with vote',
                           'gain over vote', 'with teacher', 'gain over teacher'], lines)


def interval(values: Sequence[float]) -> str:
    """Return a mean with half of its 95 % interval over seeds, if they differ."""
    if not values:
        return ''
    half = f' ± {margin_of_error(values):.3f}' if len(set(values)) > 1 else ''
    return f'{np.mean(values):+.3f}{half}'


def main(data: Path, out: Path = Path('benchmarks/results')) -> None:
    """Compute what is missing and print the correlations.

    Parameters
    ----------
    data
        folder with nb201.npz, zc_nb201_cifar10_full.npz, nb101_weightsharing.npz and CIFAR-10
    out
        folder of the results, of the super-nets among them
    """
    torch.set_num_threads(1)
    for space in SPACES:
        stored(out / FILE, space, partial(measure, space, data))
        print(space, report(out / FILE, space), sep='\n')


if __name__ == '__main__':
    quiet()
    CLI(main, as_positional=False)
