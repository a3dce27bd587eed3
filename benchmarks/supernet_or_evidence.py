r"""When does a super-net pay? What evidence, super-nets, and both together say of NAS-Bench-201.

The super-nets are those of ``nni-rankreg ablate``: of 30 epochs in the folder nb201_ranking, of
more in folders with their number. Beside them stands, on the same 200 architectures, what needs
none:

* the vote of the published scores of five proxies, `published_evidence`;
* the learned teacher, an `Ensemble` on structure and these, fitted to the 30 landmarks of a seed.

They are computed here, once. *Averaged* are the ranks of a super-net and the teacher, as
`SPOS(evidence=LearnedTeacher())` has it, or of both and the vote.

    nni-rankreg ablate --data ../shared/data --out benchmarks/results/nb201_ranking_60 \
        --overrides '{"epochs": 60}' --arms '["landmark_64, all pairs of 4"]'
    python benchmarks/supernet_or_evidence.py --data ../shared/data
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jsonargparse import CLI
from quiet import quiet
from scipy.stats import rankdata
from stored import read, stored

from nni_rankreg.ablation.arms import ARMS
from nni_rankreg.ablation.evidence import published_evidence
from nni_rankreg.ablation.nasbench201 import NASBENCH201
from nni_rankreg.ablation.problem import choose_setting
from nni_rankreg.metric import kendall_tau, margin_of_error
from nni_rankreg.predictor import Ensemble
from nni_rankreg.report import markdown_table

FILE = 'supernet_or_evidence.json'
FOLDERS = 'nb201_ranking*'
SEEDS = 5
TEACHER = 'learned teacher'
ARMS_SHOWN = {
    'spos': 'plain super-net', 'spos, longer': 'plain super-net',
    'landmark_64, 4 pairs': 'landmarks, drawn pairs',
    'landmark_64, all pairs of 4': 'landmarks, all pairs',
    'landmark + learned teacher, all pairs of 4': 'landmarks and learned teacher, all pairs'}


class Ranked(NamedTuple):
    """Correlations of a source, a number for each seed: alone, and averaged with what is free."""

    title: str
    epochs: int
    seeds: list[int]
    cpu_seconds: float | None
    alone: list[float]
    with_teacher: list[float]
    with_both: list[float]


def measure(data: Path) -> dict[str, Any]:
    """Return the truth, and what the vote and the teacher of each seed say without a super-net."""
    setting = choose_setting(NASBENCH201, False, 5, {})
    space = NASBENCH201.space(setting)
    truth = NASBENCH201.table(data, NASBENCH201.test, setting).subset(NASBENCH201.scored, seed=0)
    table = NASBENCH201.table(data, NASBENCH201.validation, setting)
    evidence = published_evidence(data, space)
    teachers, seconds = [], []
    for seed in range(SEEDS):
        landmarks = NASBENCH201.landmarks(space, table, setting['landmarks'], seed, truth)
        started = time.process_time()
        teacher = Ensemble(space, evidence=evidence, progress=False)
        teacher.fit(landmarks, table(landmarks).tolist())
        teachers.append(teacher.score(truth.samples).tolist())
        seconds.append(time.process_time() - started)
    return {'truth': truth.metrics, 'vote': evidence(truth.samples).tolist(), 'teacher': teachers,
            'cpu_seconds': seconds}


def ranked(results: Path) -> Iterator[Ranked]:
    """Yield the correlations of what needs no super-net, and of each super-net."""
    free = read(results / FILE)['alone']
    truth = free['truth']

    def tau(*scores: Sequence[float]) -> float:
        return kendall_tau(sum(map(rankdata, scores)), truth)

    vote, teachers = free['vote'], free['teacher']
    yield Ranked('vote of five proxies', 0, [], None, [tau(vote)], [], [])
    yield Ranked(TEACHER, 0, [*range(len(teachers))], np.mean(free['cpu_seconds']),
                 [*map(tau, teachers)], [], [tau(vote, one) for one in teachers])
    found = [read(path) for folder in sorted(results.glob(FOLDERS))
             for path in sorted(folder.glob('*.json'))]
    for (arm, epochs), runs in _grouped(found).items():
        seconds = [run['cpu_seconds'] for run in runs if 'cpu_seconds' in run]
        told = [(run['scores'], teachers[run['seed']]) for run in runs]
        yield Ranked(ARMS_SHOWN[arm], epochs, [run['seed'] for run in runs],
                     np.mean(seconds) if seconds else None, [tau(one) for one, _ in told],
                     [tau(*both) for both in told], [tau(vote, *both) for both in told])


def _grouped(runs: Sequence[Mapping[str, Any]]) -> dict[tuple[str, int], list[Mapping[str, Any]]]:
    """Return the runs that are shown by arm and number of epochs, in this order."""
    found: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    order = list(ARMS_SHOWN)
    for run in sorted(runs, key=lambda run: run['seed']):
        if run['arm'] in order and run['seed'] < SEEDS:
            epochs = round(ARMS[run['arm']].epochs * run['setting']['epochs'])
            found.setdefault((run['arm'], epochs), []).append(run)
    return dict(sorted(found.items(), key=lambda item: (order.index(item[0][0]), item[0][1])))


def report(results: Path) -> str:
    """Return the correlations and their intervals, as Markdown."""
    rows = [*ranked(results)]
    teacher, = (row.alone for row in rows if row.title == TEACHER)
    lines = []
    for row in rows:
        gains = [value - teacher[seed] for seed, value in zip(row.seeds, row.with_teacher)]
        lines.append([row.title, row.epochs or '', len(row.seeds) or '',
                      '' if row.cpu_seconds is None else f'{row.cpu_seconds:.3g}',
                      *map(interval, (row.alone, row.with_teacher, gains, row.with_both))])
    return markdown_table(['ranks by', 'epochs', 'seeds', 'CPU seconds', 'alone', 'with teacher',
                           'gain over teacher', 'with teacher and vote'], lines)


def interval(values: Sequence[float]) -> str:
    """Return a mean with half of its 95 % interval over seeds, which one seed has not."""
    if not values:
        return ''
    half = f' ± {margin_of_error(values):.3f}' if len(values) > 1 else ''
    return f'{np.mean(values):+.3f}{half}'


def main(data: Path, out: Path = Path('benchmarks/results')) -> None:
    """Compute what is missing and print the correlations.

    Parameters
    ----------
    data
        folder with nb201.npz and zc_nb201_cifar10_full.npz
    out
        folder of the results, of the super-nets among them
    """
    torch.set_num_threads(1)
    stored(out / FILE, 'alone', lambda: measure(data))
    print(report(out))


if __name__ == '__main__':
    quiet()
    CLI(main, as_positional=False)
