"""How many trainings does the closed loop need? Proxies, structure and results on real tables.

Each search is the strategy `AceNAS` itself; a training is a look-up. Tables and evidence are those
of ``problems.py``. The first ten architectures are drawn from the best 6 % by the vote of the
evidence, the others follow in rounds of five; one in ten is drawn at random, from which
`reliability` is known. Of functional twins one is trained.

Methods, each with the same evidence and the same first round:

* process: a Gaussian process on structure and evidence; trees: scikit-learn's ExtraTrees on the
  same, without the vote as prior; ensemble: process and trees with it, averaged, the default of the
  strategy; boosted: LightGBM's LambdaRank;
* one-hot trees, uniform: randomised trees on operations alone, and a uniform first round: what a
  predictor gains without evidence and structure.

Settings were chosen with seeds 0 to 49 of ``c100`` and ``c10``; results are those of seeds 200 and
later.

Each seed has a file of its own, written after each search: an interrupted benchmark goes on.

    python benchmarks/closed_loop.py --data ../shared/data --seeds 50
    python benchmarks/closed_loop.py --data ../shared/data --seeds 20 --experiments [nb101,darts]
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import acenas_arms as arms
import lightgbm
import numpy as np
import pandas as pd
import torch
from jsonargparse import CLI
from problems import Problem, problem
from quiet import quiet
from stored import each_seed, read

from nni_rankreg.ablation.run import write_json
from nni_rankreg.metric import kendall_tau, relevance
from nni_rankreg.plan import Job, Outcome, StandAlone, drive
from nni_rankreg.predictor import (
    Description,
    Ensemble,
    GaussianProcess,
    Prediction,
    Predictor,
    Trees,
)
from nni_rankreg.report import markdown_table
from nni_rankreg.strategy import AceNAS, CandidatePool
from nni_rankreg.typing import Sample

BUDGET = 110
REPORTED = (20, 30, 50, 60, 70, 110)
EXPERIMENTS = ('c100', 'c10', 'c100-half', 'c10-half')
OTHERS = ('nb101', 'darts', 'digits', 'resnet48')
LARGE = (*EXPERIMENTS, 'nb101')
METHODS = ('process', 'ensemble', 'trees', 'boosted', 'one-hot trees, uniform')


class Boosted:
    """LightGBM's LambdaRank on the numbers that the other predictors have."""

    def __init__(self, description: Description, seed: int):
        self.description = description
        self.model = lightgbm.LGBMRanker(
            n_estimators=100, min_child_samples=2, num_leaves=8, label_gain=[
                2. ** gain - 1 for gain in range(21)], random_state=seed, n_jobs=1, verbose=-1)

    def fit(self, samples: Sequence[Sample], metric: Any) -> Boosted:
        labels = relevance(metric).round().astype(int)
        self.model.fit(self.description(samples), labels, group=[len(samples)])
        return self

    def predict(self, samples: Sequence[Sample]) -> Prediction:
        mean = torch.from_numpy(self.model.predict(self.description(samples)))
        return Prediction(mean, torch.zeros_like(mean))


def predictor(method: str, found: Problem, seed: int) -> Predictor:
    description = found.operations if method.startswith('one-hot') else found.description
    if method == 'ensemble':
        return Ensemble({}, description=description, seed=seed)
    if method == 'process':
        return GaussianProcess({}, description=description)
    if method == 'boosted':
        return Boosted(description, seed)
    return Trees({}, description=description, prior=0, seed=seed)


class Lookup:
    """Runs trainings by looking them up."""

    def __init__(self, table: arms.Table):
        self.table, self.rows = table, list[int]()

    def run(self, jobs: Sequence[Job], done: Callable[[int, Outcome], None]) -> None:
        for index, job in enumerate(jobs):
            assert isinstance(job, StandAlone)
            self.rows.append(job.sample['row'])
            done(index, float(self.table.metric[self.rows[-1]]))

    def describe(self, job: Job) -> str:
        return ''


def search(method: str, found: Problem, seed: int, budget: int) -> dict[str, Any]:
    """Return the rows that a search trains, in order, and how reliable its predictions were."""
    model, lookup = predictor(method, found, seed), Lookup(found.table)
    evidence = None if method.endswith('uniform') else found.evidence
    with tempfile.TemporaryDirectory() as folder:
        strategy = AceNAS(evidence=evidence, budget=budget, weak=None,
                          candidates=CandidatePool(found.candidates),
                          predictor=lambda space, evidence: model,
                          archive=Path(folder) / 'results.sqlite', seed=seed)
        drive(strategy.plan({}), lookup, strategy.archive)
        reliability = strategy.reliability().table().to_dict('records')
    return dict(rows=lookup.rows, reliability=reliability, truth=true_correlations(model, found))


def true_correlations(model: Predictor, found: Problem) -> dict[str, list[float]]:
    """Return source -> tau over all candidates and over their better half, of the last fit."""
    metric = found.table.metric[[one['row'] for one in found.candidates]]
    upper = metric >= np.median(metric)
    columns = dict(zip([*found.evidence.names, 'vote'],
                       found.evidence.features(found.candidates).T.numpy()))
    columns['predictor'] = model.predict(found.candidates).mean.numpy()
    return {source: [kendall_tau(values, metric), kendall_tau(values[upper], metric[upper])]
            for source, values in columns.items()}


def run_seed(seed: int, data: Path, out: Path, wanted: list[tuple[str, str]],
             budget: int) -> None:
    """Run the searches of one seed that its file lacks."""
    torch.set_num_threads(1)
    file = out / f'seed-{seed}.json'
    done = read(file)
    for experiment, method in wanted:
        key = f'{experiment}/{method}'
        if key in done:
            continue
        found, started = problem(experiment, data), time.perf_counter()
        result = search(method, found, seed, budget)
        done[key] = {**progress(found, result['rows']), 'seconds': time.perf_counter() - started,
                     **result}
        write_json(file, done)


def progress(found: Problem, rows: list[int]) -> dict[str, Any]:
    """Return after how many trainings the best was found, and the place of the best so far."""
    metric = found.table.metric[[one['row'] for one in found.candidates]]
    best = np.maximum.accumulate(found.table.metric[rows])
    reached = np.flatnonzero(best == metric.max())
    return {'trained': int(reached[0]) + 1 if len(reached) else None,
            'places': {count: 1 + int((metric > best[count - 1]).sum())
                       for count in REPORTED if count <= len(best)}}


def results(out: Path) -> pd.DataFrame:
    """Return all searches in a folder, a row each."""
    return pd.DataFrame([
        {**dict(zip(('experiment', 'method'), key.split('/'))), **row}
        for path in sorted(out.glob('seed-*.json')) for key, row in read(path).items()])


def report(out: Path, experiments: Sequence[str] = EXPERIMENTS) -> str:
    """Return how many searches have found the best of their table, as Markdown."""
    lines, found = [], results(out)
    for experiment, method in product(experiments, METHODS):
        rows = found[(found['experiment'] == experiment) & (found['method'] == method)]
        if rows.empty:
            continue
        trained = rows['trained'].fillna(np.inf)
        median = f'{trained.median():.0f}' if trained.median() <= BUDGET else f'> {BUDGET}'
        places = [one['50'] for one in rows['places']]
        lines.append([experiment, method, len(rows),
                      *(int((trained <= count).sum()) for count in REPORTED),
                      median, f'{np.median(places):.0f}', f'{rows["seconds"].mean():.1f}'])
    return markdown_table(['experiment', 'method', 'seeds',
                           *(f'within {count}' for count in REPORTED), 'median', 'place after 50',
                           'seconds'], lines)


def coverage(out: Path) -> str:
    """Return how often intervals of `reliability` by the ensemble hold the truth, as Markdown.

    Tables of which a search trains a large part are left out: their truth is no longer about what
    the predictor has not seen.
    """
    lines = []
    rows = [((one['experiment'], row['source']), row, one['truth'][row['source']])
            for _, one in results(out).iterrows()
            if one['method'] == 'ensemble' and one['experiment'] in LARGE
            for row in one['reliability']]
    for group in dict.fromkeys(group for group, _, _ in rows):
        part = [(row, truth) for of, row, truth in rows if of == group]
        cells = []
        for place, name in enumerate(('tau over all', 'tau over upper half')):
            inside = [row[f'{name} low'] <= truth[place] <= row[f'{name} high']
                      for row, truth in part]
            widths = [row[f'{name} high'] - row[f'{name} low'] for row, _ in part]
            cells += [f'{np.mean([truth[place] for _, truth in part]):.2f}',
                      f'{np.nanmean([row[name] for row, _ in part]):.2f}',
                      f'{np.nanmean(widths):.2f}', f'{np.mean(inside):.0%}']
        lines.append([*group, *cells])
    return markdown_table(
        ['experiment', 'source', *(f'{what}{where}' for where in ('', ', upper half')
                                   for what in ('tau', 'estimate', 'width', 'covered'))],
        lines)


def main(data: Path, out: Path = Path('benchmarks/results/closed_loop'), seeds: int = 50,
         first: int = 200, experiments: list[str] = list(EXPERIMENTS),
         methods: list[str] = list(METHODS), budget: int = BUDGET, jobs: int = 2) -> None:
    """Run what is missing and print the results.

    Parameters
    ----------
    data
        folder with the tables, and with cifar10/ for darts
    out
        folder of the results, one file a seed
    seeds
        number of seeds
    first
        the first of them
    experiments
        c100, c10, c100-half, c10-half, nb101, darts, digits, resnet48
    methods
        process, ensemble, trees, boosted, 'one-hot trees, uniform'
    budget
        number of trainings
    jobs
        seeds at a time
    """
    out.mkdir(parents=True, exist_ok=True)
    wanted = list(product(experiments, methods))
    each_seed(run_seed, range(first, first + seeds), jobs, data, out, wanted, budget)
    print(report(out, [*EXPERIMENTS, *OTHERS]))
    print(coverage(out))


if __name__ == '__main__':
    quiet()
    CLI(main, as_positional=False)
