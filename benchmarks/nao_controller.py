"""What NAO's controller learns from 600 architectures of NAS-Bench-201, the real table.

Share of architectures that come back from encoding and decoding, of those it has learned from and
of others, and Kendall's tau of its prediction for others; beside it boosted trees on the one-hot
choices, which learn from the same.

    python benchmarks/nao_controller.py --data ../shared/data
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jsonargparse import CLI
from lightgbm import LGBMRegressor
from quiet import quiet
from stored import read, stored
from torch.nn.functional import one_hot
from tqdm.auto import tqdm

from nni_rankreg.ablation.nasbench201 import NASBENCH201
from nni_rankreg.metric import kendall_tau
from nni_rankreg.predictor import NAOController
from nni_rankreg.report import markdown_table

FILE = 'nao_controller.json'


def measure(data: Path, column: str, known: int, seed: int) -> list[float]:
    """Return the two shares in percent and the two correlations of one seed."""
    setting = dict(NASBENCH201.small, operations=5)
    table = NASBENCH201.table(data, column, setting)
    space = NASBENCH201.space(setting).simplify()
    rows = np.random.default_rng(seed).permutation(len(table))[:2 * known]
    samples, metrics = [table.samples[row] for row in rows], table.values[rows]
    controller = NAOController(space, seed).fit(samples[:known], metrics[:known])
    same = [one == again for one, again in zip(samples, controller.reconstruct(samples))]
    inputs = one_hot(controller.codec.encode(samples)).flatten(1).numpy()
    trees = LGBMRegressor(random_state=seed, verbose=-1).fit(inputs[:known], metrics[:known])
    return [100 * float(np.mean(same[:known])), 100 * float(np.mean(same[known:])),
            kendall_tau(controller(samples[known:]), metrics[known:]),
            kendall_tau(trees.predict(inputs[known:]), metrics[known:])]


def report(file: Path) -> str:
    """Return the results in a file, as Markdown."""
    return markdown_table(
        ['seed', 'reconstructed %', 'others %', 'tau of others', 'tau, LightGBM'],
        [[seed, *(f'{value:.{digits}f}' for value, digits in zip(row, (1, 1, 3, 3)))]
         for seed, row in read(file).items()])


def main(data: Path, out: Path = Path('benchmarks/results'), column: str = 'xvalid_c10_200',
         known: int = 600, seeds: int = 5) -> None:
    """Fit a controller for each seed that is missing and print the results.

    Parameters
    ----------
    data
        folder with nb201.npz
    out
        folder of the results
    column
        of the table
    known
        number of architectures to learn from; as many others are held out
    seeds
        number of seeds
    """
    for seed in tqdm(range(seeds), 'Seeds'):
        stored(out / FILE, str(seed), lambda: measure(data, column, known, seed))
    print(f'{known} architectures learned from, {known} others; {column}')
    print(report(out / FILE))


if __name__ == '__main__':
    quiet()
    CLI(main, as_positional=False)
