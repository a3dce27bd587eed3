"""How many trainings does a ranking predictor save? NAS-Bench-201 and -101, the real tables.

Each search is the strategy `AceNAS` itself; a training is a look-up. The predictor is pretrained on
weak labels of 4,000 random architectures; `budget` architectures are trained in five rounds, half
of each but the first predicted best, half random; the ten predicted best of the rest are trained
in the end. Arms:

* method: LambdaRank, with relevance up to 20 in place of 10, with the positions of the published
  code as well, RankNet, mean squared error, BRP (the pairs of BRP-NAS); greedy is LambdaRank in
  ten rounds without random draws after the first;
* pretraining: none; size (FLOPs and parameters); weights (these and the accuracy with the weights
  of a super-net trained on CIFAR-10: column ``oneshot_acc_c10``); proxies (these, synflow and
  naswot);
* rivals with as many trainings: random search, regularised evolution, LightGBM's LambdaRank in the
  place of the predictor, also greedy.

Experiments: ``c100`` and ``c10`` search and report the mean over seeds of NATS-Bench's 200-epoch
test accuracy, as no 200-epoch validation accuracy is in the file: they tell how fast the optimum of
a table is found. ``c10-valid`` searches by validation accuracy and reports test accuracy, as do
``nb101``, the 28,963 cells that the table draws uniformly, and ``nb101-all``, its 151,644 cells;
both with accuracies by super-nets of the same table as weak labels.

Each seed has a file of its own, written after each search: an interrupted benchmark goes on.

    python benchmarks/acenas_tables.py --data ../shared/data --seeds 50
    python benchmarks/acenas_tables.py --data ../shared/data --seeds 10 --budgets [50] \
        --methods '[LambdaRank,relevance to 20,published,RankNet,MSE,BRP]' \
        --pretraining [none,size,weights,proxies]
"""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import acenas_arms as arms
import numpy as np
import pandas as pd
import torch
from jsonargparse import CLI
from quiet import quiet
from stored import each_seed, read

from nni_rankreg.ablation.run import write_json
from nni_rankreg.metric import margin_of_error
from nni_rankreg.report import markdown_table

COLUMNS = {'c100': ('test_c100_200', 'test_c100_200'), 'c10': ('test_c10_200', 'test_c10_200'),
           'c10-valid': ('xvalid_c10_200', 'xtest_c10_200')}
NASBENCH101 = ('nb101', 'nb101-all')
WHOLE = {'nb101': 'nb101-all'}   # what `closed_loop` calls by the first name
BUDGETS = (20, 40, 60, 80, 100)
RIVALS = ('random', 'evolution', 'LightGBM', 'LightGBM, greedy')


def load(experiment: str, pretraining: str, data: Path, out: Path) -> arms.Table:
    if experiment in NASBENCH101:
        return arms.nasbench101(data, pretraining, uniform=experiment == 'nb101')
    return arms.nasbench201(data, out, *COLUMNS[experiment], pretraining)


def rival(name: str, table: arms.Table, data: Path, budget: int, seed: int) -> list[int]:
    """Return the rows that a rival of the predictor trains, in order."""
    if name == 'evolution':
        return arms.evolution(data, table, budget, seed)
    if name == 'random':
        return arms.drawn(table, budget, seed)
    rounds = {'LightGBM': arms.published, 'LightGBM, greedy': arms.greedy}[name]
    return arms.acenas(table, lambda _: arms.LightGBM(table, seed), budget, seed, rounds)


def run_seed(seed: int, data: Path, out: Path, wanted: list[tuple[str, str, str]],
             budgets: list[int]) -> None:
    """Run the searches of one seed that its file lacks."""
    torch.set_num_threads(1)
    file = out / f'seed-{seed}.json'
    done = read(file)
    rankers: dict[tuple[str, str], tuple[arms.Ranker, float]] = {}
    for experiment, method, pretraining in wanted:
        missing = [budget for budget in budgets
                   if f'{experiment}/{method}/{pretraining}/{budget}' not in done]
        table = load(experiment, pretraining, data, out) if missing else None
        for budget in missing:
            assert table is not None
            started, seconds = time.perf_counter(), 0.
            if method in RIVALS:
                rows = rival(method, table, data, budget, seed)
            else:
                # Pretraining is the same for the experiments of one table.
                key = experiment if experiment in NASBENCH101 else 'nb201', pretraining
                if key not in rankers:
                    rankers[key] = arms.pretrained(table, seed), time.perf_counter() - started
                    started = time.perf_counter()
                ranker, seconds = copy.deepcopy(rankers[key][0]), rankers[key][1]
                ranker.encoder = table
                for name, value in arms.METHODS[method].ranker.items():
                    setattr(ranker, name, value)
                rows = arms.acenas(table, lambda _: ranker, budget, seed,
                                   arms.METHODS[method].rounds)
            done[f'{experiment}/{method}/{pretraining}/{budget}'] = {
                **outcome(rows, table), 'seconds': time.perf_counter() - started + seconds}
            write_json(file, done)


def outcome(rows: list[int], table: arms.Table) -> dict[str, Any]:
    """Return what a search found, the best by the searched metric, and what it is worth.

    `trained` is the number of trainings with which an optimum of the table was found, None if none
    was; two architectures of NAS-Bench-201 share the highest accuracy on CIFAR-10.
    """
    metric = table.metric[rows]
    optimal = np.flatnonzero(metric == table.metric.max())
    chosen = rows[int(metric.argmax())]
    return dict(row=chosen, test=float(table.test[chosen]),
                rank=1 + int((table.metric > table.metric[chosen]).sum()),
                trained=int(optimal[0]) + 1 if len(optimal) else None)


def interval(values: np.ndarray) -> str:
    """Return the mean and its 95 % interval, Student's t."""
    if len(values) < 2 or values.std() == 0:
        return f'{values.mean():.3f}'
    return f'{values.mean():.3f} ± {margin_of_error(values):.3f}'


def results(out: Path) -> pd.DataFrame:
    """Return all searches in a folder, a row each."""
    return pd.DataFrame([
        {**dict(zip(('experiment', 'method', 'pretraining', 'budget'), key.split('/'))), **row}
        for path in sorted(out.glob('seed-*.json')) for key, row in read(path).items()]
    ).astype({'budget': int, 'trained': float})


def report(out: Path, experiments: Sequence[str] | None = None) -> str:
    """Return a folder's searches as Markdown, of some experiments or of all."""
    lines, frame = [], results(out)
    wanted = frame[frame['experiment'].isin(experiments or frame['experiment'].unique())]
    for (experiment, method, pretraining, budget), rows in wanted.groupby(
            ['experiment', 'method', 'pretraining', 'budget']):
        trained = rows['trained'].fillna(np.inf)
        lines.append([experiment, method, pretraining, f'{budget} + {arms.TOP}', len(rows),
                      interval(rows['test'].to_numpy()), int(rows['rank'].median()),
                      int(rows['rank'].max()), int(np.isfinite(trained).sum()),
                      int((trained <= 60).sum()), f'{trained.median():.0f}',
                      f'{rows["seconds"].mean():.1f}'])
    return markdown_table(['experiment', 'method', 'pretraining', 'trained', 'seeds',
                           'test accuracy', 'median rank', 'worst rank', 'optimum found',
                           'in the first 60', 'median trained', 'seconds'], lines)


def of_all_seeds(frame: pd.DataFrame, experiment: str) -> pd.DataFrame:
    """Return the searches of an experiment; without those that fewer seeds have than others.

    With pretraining on accuracies by a super-net, where there is a predictor.
    """
    frame = frame[(frame['experiment'] == experiment) & frame['pretraining'].isin(['weights', ''])]
    seeds = frame.groupby(['method', 'budget'])['test'].transform('size')
    return frame[seeds == seeds.max()]


def by_budget(out: Path, experiment: str) -> str:
    """Return the accuracies of all methods, a column for each budget, as Markdown.

    In brackets: in how many of the searches the optimum of the table was found.
    """
    frame = of_all_seeds(results(out), experiment)
    return _cross(frame, 'method', ('LambdaRank', 'greedy', *RIVALS), 'budget',
                  sorted(frame['budget'].unique()))


def ablation(out: Path, experiment: str = 'c100', budget: int = 50) -> str:
    """Return the accuracies of all methods, a column for each pretraining, as Markdown."""
    frame = results(out)
    frame = frame[(frame['experiment'] == experiment) & (frame['budget'] == budget)]
    return _cross(frame, 'method', (*arms.METHODS, *RIVALS), 'pretraining',
                  ('none', 'size', 'weights', 'proxies', ''))


def margins(out: Path, experiment: str = 'c100', budget: int = 50) -> str:
    """Return the methods over all pretrainings, and these over all methods, as Markdown."""
    frame = results(out)
    frame = frame[(frame['experiment'] == experiment) & (frame['budget'] == budget)
                  & (frame['pretraining'] != '') & (frame['method'] != 'greedy')]
    parts = [(name, part) for by in ('method', 'pretraining')
             for name, part in frame.groupby(by, sort=False)]
    header = ['all searches with', 'optimum found', 'mean accuracy', 'standard error']
    return markdown_table(header, [
        [name, f'{part["trained"].notna().sum()} of {len(part)}', f'{part["test"].mean():.2f}',
         f'{part["test"].sem():.2f}'] for name, part in parts])


def _cross(frame: pd.DataFrame, row: str, rows: Sequence, column: str, columns: Sequence) -> str:
    """Return test accuracies with intervals, crossed by two properties of the searches."""
    lines = []
    for one in rows:
        cells = []
        for other in columns:
            part = frame[(frame[row] == one) & (frame[column] == other)]
            found = part['trained'].notna().sum()
            cells.append(f'{interval(part["test"].to_numpy())} ({found}/{len(part)})'
                         if len(part) else None)
        lines.append([one, *cells])
    return markdown_table([row, *(str(other) or 'without predictor' for other in columns)], lines)


def main(data: Path, out: Path = Path('benchmarks/results/acenas'), seeds: int = 50, first: int = 0,
         experiments: list[str] = ['c100', 'c10'], budgets: list[int] = list(BUDGETS),
         methods: list[str] = ['LambdaRank'], pretraining: list[str] = ['weights'],
         rivals: list[str] = list(RIVALS), jobs: int = 2) -> None:
    """Run what is missing and print the results.

    Parameters
    ----------
    data
        folder with nb201.npz and nb101_weightsharing.npz
    out
        folder of the results, one file a seed
    seeds
        number of seeds
    first
        the first of them
    experiments
        c100, c10, c10-valid, nb101, nb101-all
    budgets
        numbers of architectures trained before the top 10
    methods
        LambdaRank, greedy, relevance to 20, published, RankNet, MSE, BRP
    pretraining
        none, size, weights, proxies (the last not for nb101)
    rivals
        random, evolution (not for nb101), LightGBM, LightGBM, greedy
    jobs
        seeds at a time
    """
    out.mkdir(parents=True, exist_ok=True)
    wanted = [*product(experiments, methods, pretraining),
              *((experiment, name, '') for experiment, name in product(experiments, rivals)
                if not (name == 'evolution' and experiment in NASBENCH101))]
    each_seed(run_seed, range(first, first + seeds), jobs, data, out, wanted, budgets)
    print(report(out))


if __name__ == '__main__':
    quiet()
    CLI(main, as_positional=False)
