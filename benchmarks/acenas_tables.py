"""How many trainings does a ranking predictor save? NAS-Bench-201, the real table.

Each search pretrains a `Ranker` on weak labels of 4,000 random architectures, then trains
architectures, that is, looks them up, in five rounds: the first at random, the others half the
best predicted ones, half at random. Ten more, the best predicted of the rest, are trained at the
end. This is AceNAS (Zhang et al., 2021) as a loop over a table. Arms:

* loss: LambdaRank, its published variant, RankNet, mean squared error;
* pretraining: none; FLOPs and parameters; these and the accuracy with the weights of a super-net
  trained on CIFAR-10 (column ``oneshot_acc_c10``), all the weak labels there are;
* random search with as many architectures.

Experiments: ``c100`` and ``c10`` search and report the mean over seeds of NATS-Bench's 200-epoch
test accuracy, as no 200-epoch validation accuracy is in the file: they tell how fast the optimum of
a table is found. ``c10-valid`` searches by validation accuracy and reports test accuracy.

Each seed has a file of its own, written after each search: an interrupted benchmark goes on.

    python benchmarks/acenas_tables.py --data ../shared/data --seeds 50
    python benchmarks/acenas_tables.py --data ../shared/data --seeds 20 --ablation true
"""

from __future__ import annotations

import copy
import json
import multiprocessing
import os
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jsonargparse import CLI
from scipy import stats
from tqdm.auto import tqdm

from nni_rankreg.loss import LambdaRankLoss, MeanSquaredLoss, RankNetLoss
from nni_rankreg.metric import relevance
from nni_rankreg.predictor import Graphs, NasBench201Encoder, Ranker, standardize
from nni_rankreg.report import markdown_table
from nni_rankreg.space import decode_nasbench201

COLUMNS = {'c100': ('test_c100_200', 'test_c100_200'), 'c10': ('test_c10_200', 'test_c10_200'),
           'c10-valid': ('xvalid_c10_200', 'xtest_c10_200')}
LOSSES: dict[str, tuple[Any, Any]] = {
    'LambdaRank': (LambdaRankLoss(), relevance),
    'published': (LambdaRankLoss(positions='published'), relevance),
    'RankNet': (RankNetLoss(), standardize), 'MSE': (MeanSquaredLoss(), standardize)}
PRETRAINING: dict[str, dict[str, str]] = {
    'none': {}, 'size': {'flops': 'flops_c10', 'params': 'params_c10'},
    'weights': {'accuracy': 'oneshot_acc_c10', 'flops': 'flops_c10', 'params': 'params_c10'}}
BUDGETS = (20, 40, 60, 80, 100)
ROUNDS, TOP, WEAK = 5, 10, 4000


@dataclass
class Table:
    """The columns of the benchmark's file and the architectures as graphs."""

    columns: dict[str, np.ndarray]
    graphs: Graphs

    @classmethod
    def load(cls, data: Path) -> Table:
        with np.load(data / 'nb201.npz', allow_pickle=False) as file:
            columns = {name: file[name] for name in file.files}
        samples = [decode_nasbench201(arch.decode()) for arch in columns['arch']]
        return cls(columns, NasBench201Encoder()(samples))


def pretrained(table: Table, labels: dict[str, str], seed: int) -> Ranker:
    """Return a ranker pretrained on weak labels of random architectures."""
    ranker = Ranker({}, encoder=NasBench201Encoder(), seed=seed, progress=False)
    if labels:
        rows = np.random.default_rng([seed, 1]).permutation(table.graphs.size)[:WEAK]
        weak = {name: table.columns[column][rows] for name, column in labels.items()}
        ranker.pretrain(table.graphs.rows(torch.from_numpy(rows)), weak)
    return ranker


def search(ranker: Ranker, graphs: Graphs, metric: np.ndarray, budget: int, seed: int, *,
           rounds: int = ROUNDS, explore: float = 0.5, top: int = TOP) -> list[int]:
    """Return the rows that are trained, in order: the rounds, then the best of the rest."""
    shuffled = np.random.default_rng([seed, 2]).permutation(graphs.size).tolist()
    trained: list[int] = []

    def add(candidates: list[int], size: int) -> None:
        trained.extend([row for row in candidates if row not in set(trained)][:size - len(trained)])

    def best() -> list[int]:
        rows = torch.tensor(trained)
        scores = ranker.fit(graphs.rows(rows), metric[trained]).score(graphs)
        return scores.argsort(descending=True, stable=True).tolist()

    for number in range(1, rounds + 1):
        size = budget * number // rounds
        if trained:
            add(best(), size - round(explore * (size - len(trained))))
        add(shuffled, size)
    add(best(), budget + top)
    return trained


def run_seed(seed: int, data: Path, out: Path, wanted: list[tuple[str, str, str, int]]) -> None:
    """Run the searches of one seed that its file lacks."""
    torch.set_num_threads(1)
    table, file = Table.load(data), out / f'seed-{seed}.json'
    results = json.loads(file.read_text()) if file.exists() else {}
    rankers: dict[str, tuple[Ranker, float]] = {}
    for experiment, loss, labels, budget in wanted:
        key = f'{experiment}/{loss}/{labels}/{budget}'
        if key in results:
            continue
        if labels not in rankers:
            started = time.perf_counter()
            ranker = pretrained(table, PRETRAINING[labels], seed)
            rankers[labels] = ranker, time.perf_counter() - started
        ranker, seconds = copy.deepcopy(rankers[labels][0]), rankers[labels][1]
        ranker.loss, ranker.target = LOSSES[loss]
        started = time.perf_counter()
        rows = search(ranker, table.graphs, table.columns[COLUMNS[experiment][0]], budget, seed)
        results[key] = dict(rows=rows, seconds=time.perf_counter() - started,
                            pretraining_seconds=seconds)
        part = file.with_suffix('.part')
        part.write_text(json.dumps(results))
        os.replace(part, file)


def outcome(rows: list[int], columns: dict[str, np.ndarray], experiment: str) -> dict[str, float]:
    """Return what a search found: the best by the searched column, its value in the reported."""
    metric, test = (columns[name] for name in COLUMNS[experiment])
    chosen = rows[int(np.argmax(metric[rows]))]
    optimum = int(np.argmax(metric))
    return dict(test=test[chosen], rank=1. + (metric > metric[chosen]).sum(),
                found=float(chosen == optimum),
                trained=rows.index(optimum) + 1 if optimum in rows else np.inf)


def interval(values: np.ndarray) -> str:
    """Return the mean and its 95 % interval, Student's t."""
    if len(values) < 2 or values.std() == 0:
        return f'{values.mean():.3f}'
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return f'{values.mean():.3f} ± {half:.3f}'


def report(out: Path, data: Path, seeds: int) -> str:
    """Return a Markdown table of all searches in the files of the first seeds."""
    with np.load(data / 'nb201.npz', allow_pickle=False) as file:
        columns = {name: file[name] for pair in COLUMNS.values() for name in pair}
    found: dict[str, list[dict[str, float]]] = {}
    for seed in range(seeds):
        path = out / f'seed-{seed}.json'
        for key, result in (json.loads(path.read_text()) if path.exists() else {}).items():
            row = outcome(result['rows'], columns, key.split('/')[0])
            found.setdefault(key, []).append(
                {**row, 'seconds': result['seconds'] + result['pretraining_seconds']})
        shuffled = np.random.default_rng([seed, 3]).permutation(len(columns['test_c10_200']))
        for experiment, budget in product(COLUMNS, BUDGETS):
            if any(key.startswith(experiment + '/') for key in found):
                found.setdefault(f'{experiment}/random//{budget}', []).append(
                    {**outcome(shuffled[:budget + TOP].tolist(), columns, experiment),
                     'seconds': 0.})
    lines = []
    for key in sorted(found, key=_order):
        rows = {name: np.array([row[name] for row in found[key]]) for name in found[key][0]}
        experiment, loss, labels, trained = key.split('/')
        lines.append([experiment, loss, labels, f'{trained} + {TOP}', len(rows['test']),
                      interval(rows['test']), f'{np.median(rows["rank"]):.0f}',
                      f'{rows["rank"].max():.0f}', f'{int(rows["found"].sum())}',
                      f'{np.median(rows["trained"]):.0f}', f'{rows["seconds"].mean():.1f}'])
    return markdown_table(['experiment', 'loss', 'pretraining', 'trained', 'seeds', 'test accuracy',
                           'median rank', 'worst rank', 'optimum found', 'median trained',
                           'seconds'], lines)


def _order(key: str) -> tuple[Any, ...]:
    experiment, loss, labels, budget = key.split('/')
    return list(COLUMNS).index(experiment), loss, labels, int(budget)


def main(data: Path, out: Path = Path('runs/acenas_tables'), seeds: int = 50, first: int = 0,
         experiments: list[str] = ['c100', 'c10'], budgets: list[int] = list(BUDGETS),
         losses: list[str] = ['LambdaRank'], pretraining: list[str] = ['weights'],
         jobs: int = 2) -> None:
    """Run what is missing and print the table.

    Parameters
    ----------
    data
        folder with nb201.npz
    out
        folder of the results, one file a seed
    seeds
        number of seeds
    first
        the first of them
    experiments
        c100, c10, c10-valid
    budgets
        numbers of architectures trained before the top 10
    losses
        LambdaRank, published, RankNet, MSE
    pretraining
        none, size, weights
    jobs
        seeds at a time
    """
    out.mkdir(parents=True, exist_ok=True)
    wanted = list(product(experiments, losses, pretraining, budgets))
    with ProcessPoolExecutor(jobs, multiprocessing.get_context('spawn')) as pool:
        futures = [pool.submit(run_seed, seed, data, out, wanted)
                   for seed in range(first, first + seeds)]
        for future in tqdm(futures, 'Seeds'):
            future.result()
    print(report(out, data, seeds))


if __name__ == '__main__':
    warnings.filterwarnings('ignore')
    CLI(main, as_positional=False)
