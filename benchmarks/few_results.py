"""How predictors rank all cells of NAS-Bench-201 from a few results.

Results are those of architectures drawn at random, the ranking that of all others; of functional
twins the first counts. Tables, columns and evidence are those of ``problems.py``. Methods:

* vote: the evidence alone, no result;
* trees, process: on structure and evidence, as `Trees` without a prior and `GaussianProcess`;
* trees with prior: they learn what the vote does not tell;
* ensemble: process and trees with prior, the default of `AceNAS`.

Prints the mean of Kendall's tau over the seeds, over all cells and among their better half, with
half of Student's 95 % interval. Some minutes.

    python benchmarks/few_results.py --data ../shared/data
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jsonargparse import CLI
from problems import Problem, problem
from quiet import quiet
from stored import read

from nni_rankreg.ablation.run import write_json
from nni_rankreg.metric import kendall_tau, margin_of_error
from nni_rankreg.predictor import Ensemble, GaussianProcess, Predictor, Trees
from nni_rankreg.report import markdown_table

FILE = 'few_results.json'
COUNTS = (10, 20, 30, 50, 100)


def predictors(found: Problem, seed: int) -> dict[str, Predictor]:
    """Return the methods that learn."""
    same: Any = dict(space={}, description=found.description)
    return {'trees': Trees(**same, prior=0, seed=seed), 'process': GaussianProcess(**same),
            'trees with prior': Trees(**same, seed=seed), 'ensemble': Ensemble(**same, seed=seed)}


def taus(experiment: str, data: Path, counts: list[int], seed: int) -> Iterator[dict[str, Any]]:
    """Yield the correlations of each method for each number of results."""
    found = problem(experiment, data)
    metric = found.table.metric[[one['row'] for one in found.candidates]]
    upper = metric >= np.median(metric)
    order = np.random.default_rng(seed).permutation(len(metric))
    for count in counts:
        known, others = order[:count], order[count:]
        asked = [found.candidates[row] for row in others]
        scores = {'vote': found.evidence(asked)}
        for name, model in predictors(found, seed).items():
            model.fit([found.candidates[row] for row in known], metric[known])
            scores[name] = model.predict(asked).mean
        better = upper[others]
        for name, values in scores.items():
            yield {'experiment': experiment, 'method': name, 'results': count,
                   'all': kendall_tau(values, metric[others]),
                   'upper half': kendall_tau(values[better], metric[others][better])}


def report(path: Path) -> str:
    """Return the correlations in a file, as Markdown."""
    rows, lines = pd.DataFrame(read(path)['rows']), []
    for (experiment, method), part in rows.groupby(['experiment', 'method'], sort=False):
        cells = [f'{one[column].mean():.3f} ± {margin_of_error(one[column]):.3f}'
                 for column in ('all', 'upper half') for _, one in part.groupby('results')]
        lines.append([experiment, method, *cells])
    return markdown_table(['experiment', 'method', *(f'{count}{where}' for where in (
        '', ', upper half') for count in sorted(rows['results'].unique()))], lines)


def main(data: Path, out: Path = Path('benchmarks/results'), seeds: int = 12, first: int = 200,
         counts: list[int] = list(COUNTS),
         experiments: list[str] = ['c100', 'c10', 'c10-half']) -> None:
    """Print the correlations.

    Parameters
    ----------
    data
        folder with nb201.npz and zc_nb201_cifar10_full.npz
    out
        folder of the file with all of them
    seeds, first
        number of draws of the results, and the first seed
    counts
        numbers of results
    experiments
        c100, c10, c100-half, c10-half
    """
    torch.set_num_threads(1)
    rows = [{'seed': seed, **row} for experiment in experiments
            for seed in range(first, first + seeds)
            for row in taus(experiment, data, counts, seed)]
    write_json(out / FILE, {'rows': rows})
    print(report(out / FILE))


if __name__ == '__main__':
    quiet()
    CLI(main, as_positional=False)
