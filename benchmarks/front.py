"""How much of the true front of accuracy and latency a search finds with few trainings.

Each search is over all 15,625 cells of NAS-Bench-201 (``nb201.npz``): the accuracy of a training is
looked up, the latency is known beforehand. Reported are the hypervolumes of what was trained as
shares of that of the true front. The reference is the worst accuracy and the largest latency of the
table; in the columns "upper half" it is the median of the accuracies: what is below counts nothing.

Methods; those with a predictor have the evidence of ``problems.py`` and the default ensemble:

* front: `AceNAS` with ``costs=[latency]``;
* constraints: `AceNAS` for one objective, under a row of upper bounds, quantiles of the latency,
  with three trainings each, from the smallest on; a search knows the results of those before;
* nsga-ii: NSGA-II (Deb et al., 2002) whose evaluations are trainings, with uniform crossover and
  mutations of one operation;
* random.

Settings were chosen on the columns of `TUNING` with seeds 0 and later; results are those of
`REPORTED` with seeds 100 and later. Each seed has a file of its own, written after each search: an
interrupted benchmark goes on.

    python benchmarks/front.py --data ../shared/data --seeds 20
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from closed_loop import Lookup
from jsonargparse import CLI
from nni.mutable import Categorical
from problems import Problem, problem
from quiet import quiet
from stored import read
from torch import Tensor
from tqdm.auto import tqdm

from nni_rankreg.ablation.run import write_json
from nni_rankreg.metric import hypervolume, margin_of_error, pareto_rank
from nni_rankreg.plan import drive
from nni_rankreg.predictor import Ensemble
from nni_rankreg.report import markdown_table
from nni_rankreg.strategy import AceNAS, CandidatePool, Rounds
from nni_rankreg.typing import Results, Sample, Space

BUDGETS = (30, 50, 110)
GOALS = dict(zip(BUDGETS, (0.97, 0.985, 0.995)))
REPORTED = ('c10/pixel3', 'c100/gold_6226', 'c100/eyeriss')
TUNING = ('c10/raspi4', 'c100/fpga', 'c100/1080ti_1')
EACH = 3         # trainings under each of the row of constraints
POPULATION = 10  # of NSGA-II


class Front(NamedTuple):
    """A table with two objectives."""

    found: Problem
    latency: np.ndarray
    cells: np.ndarray
    """The operations of each cell."""

    @property
    def accuracy(self) -> np.ndarray:
        return self.found.table.metric

    def cost(self, samples: Sequence[Sample]) -> Tensor:
        return torch.from_numpy(self.latency[[one['row'] for one in samples]])

    def share(self, rows: Sequence[int], worst: float) -> float:
        """Return the share of the hypervolume of the true front that some rows have."""
        points = np.column_stack([-self.accuracy, self.latency])
        reference = [-worst, self.latency.max()]
        return hypervolume(points[list(rows)], reference) / hypervolume(points, reference)


@cache
def table(name: str, data: Path) -> Front:
    """Return the table of a pair of columns, such as ``c10/pixel3``."""
    experiment, device = name.split('/')
    with np.load(data / 'nb201.npz', allow_pickle=False) as file:
        latency, cells = file[f'lat_{device}'].astype(np.float64), file['op'].astype(int)
    found = problem(experiment, data)
    every = [{'row': row} for row in range(len(latency))]
    return Front(found._replace(candidates=every), latency, cells)


@cache
def rows_of(count: int) -> Space:
    """Return the space of the rows of a table; to make it takes NNI seconds."""
    return {'row': Categorical(range(count), label='row')}


def ace(front: Front, seed: int, budget: int, **arguments: Any) -> list[int]:
    """Return the rows that a search by `AceNAS` trains, in order."""
    lookup = Lookup(front.found.table)
    model = Ensemble({}, description=front.found.description, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        strategy = AceNAS(**{
            'evidence': front.found.evidence, 'budget': budget, 'weak': None, 'seed': seed,
            'candidates': CandidatePool(front.found.candidates),
            'predictor': lambda space, evidence: model,
            'archive': Path(folder) / 'results.sqlite', **arguments})
        drive(strategy.plan(rows_of(len(front.latency))), lookup, strategy.archive)
    return lookup.rows


def front_search(front: Front, seed: int, budget: int) -> list[int]:
    return ace(front, seed, budget, costs=[front.cost])


def constraints(front: Front, seed: int, budget: int) -> list[int]:
    rows: list[int] = []
    count = round(budget / EACH)
    bounds = np.quantile(front.latency, np.arange(1, count + 1) / count)
    for number, bound in enumerate(bounds):
        share = budget * (number + 1) // count - budget * number // count
        known = Results([{'row': row} for row in rows], front.accuracy[rows].tolist(), 'max')
        pool = [one for one, cost in zip(front.found.candidates, front.latency) if cost <= bound]
        rows += ace(front, seed, share, known=known,
                    candidates=CandidatePool(pool), rounds=Rounds(share, share))
    return rows


def random(front: Front, seed: int, budget: int) -> list[int]:
    return np.random.default_rng(seed).permutation(len(front.latency))[:budget].tolist()


def nsga(front: Front, seed: int, budget: int) -> list[int]:
    """Return the rows that NSGA-II trains: different ones, in order."""
    generator = np.random.default_rng(seed)
    cells = front.cells
    index = {tuple(cell): row for row, cell in enumerate(cells.tolist())}
    trained = dict.fromkeys(random(front, seed, POPULATION))
    alive = list(trained)
    while len(trained) < budget:
        alive = _survivors(front, alive)
        children: list[int] = []
        while len(children) < min(POPULATION, budget - len(trained)):
            first, second = (cells[alive[min(generator.integers(len(alive), size=2))]]
                             for _ in range(2))
            child = np.where(generator.random(6) < 0.5, first, second)
            child[generator.integers(6)] = generator.integers(5)
            row = index[tuple(child.tolist())]
            if row not in trained:
                trained[row] = None
                children.append(row)
        alive += children
    return list(trained)


def _survivors(front: Front, rows: list[int]) -> list[int]:
    """Return the best by front, then by crowding distance."""
    points = np.column_stack([-front.accuracy[rows], front.latency[rows]])
    ranks = pareto_rank(points)
    distance = np.zeros(len(rows))
    for rank in range(ranks.max() + 1):
        part = np.flatnonzero(ranks == rank)
        for column in points.T:
            order = part[column[part].argsort(kind='stable')]
            spread = column[order[-1]] - column[order[0]] or 1.
            distance[order[[0, -1]]] = np.inf
            distance[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / spread
    return [rows[one] for one in np.lexsort([-distance, ranks])[:POPULATION]]


METHODS: dict[str, Callable[[Front, int, int], list[int]]] = {
    'front': front_search, 'constraints': constraints, 'nsga-ii': nsga, 'random': random}


def measure(columns: str, method: str, seed: int, data: Path) -> dict[str, Any]:
    """Return the shares of the hypervolume after each budget, and the rows that were trained."""
    front, started = table(columns, data), time.perf_counter()
    if method == 'constraints':        # whose trainings depend on the budget
        runs = {budget: METHODS[method](front, seed, budget) for budget in BUDGETS}
    else:
        rows = METHODS[method](front, seed, max(BUDGETS))
        runs = {budget: rows[:budget] for budget in BUDGETS}
    worst = {'all': front.accuracy.min(), 'upper half': np.median(front.accuracy)}
    return {'seconds': time.perf_counter() - started,
            'shares': {name: [front.share(runs[budget], value) for budget in BUDGETS]
                       for name, value in worst.items()},
            'rows': {str(budget): rows for budget, rows in runs.items()}}


def results(out: Path) -> pd.DataFrame:
    """Return all searches in a folder, a row each."""
    return pd.DataFrame([
        {**dict(zip(('columns', 'method'), key.split(' '))), **row}
        for path in sorted(out.glob('seed-*.json')) for key, row in read(path).items()])


def report(out: Path) -> str:
    """Return the mean shares with half of their 95 % intervals, as Markdown."""
    every, lines = results(out), []
    for columns, method in product(every['columns'].unique(), METHODS):
        rows = every[(every['columns'] == columns) & (every['method'] == method)]
        if rows.empty:
            continue
        shares = {name: np.array([one[name] for one in rows['shares']])
                  for name in ('all', 'upper half')}
        lines.append([columns, method, len(rows), *(
            f'{column.mean():.4f} ± {margin_of_error(column):.4f}'
            for every in shares.values() for column in every.T),
            f'{rows["seconds"].mean():.0f}'])
    return markdown_table(['columns', 'method', 'seeds', *(
        f'{budget}{where}' for where in ('', ', upper half') for budget in BUDGETS), 'seconds'],
        lines)


def main(data: Path, out: Path = Path('benchmarks/results/front'), seeds: int = 20,
         first: int = 100, columns: list[str] = list(REPORTED),
         methods: list[str] = list(METHODS)) -> None:
    """Run what is missing and print the shares.

    Parameters
    ----------
    data
        folder with nb201.npz and zc_nb201_cifar10_full.npz
    out
        folder of the results, one file a seed
    seeds
        number of seeds
    first
        the first of them
    columns
        pairs of accuracy and latency, such as c10/pixel3
    methods
        front, constraints, nsga-ii, random
    """
    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    wanted = list(product(range(first, first + seeds), columns, methods))
    for seed, pair, method in tqdm(wanted, 'Searches'):
        file = out / f'seed-{seed}.json'
        done = read(file)
        if (key := f'{pair} {method}') not in done:
            done[key] = measure(pair, method, seed, data)
            write_json(file, done)
    print(report(out))


if __name__ == '__main__':
    quiet()
    CLI(main, as_positional=False)
