"""Do regularisers rank NAS-Bench-101 better? Real CIFAR-10, the real table.

As `nb201_ranking.py`, in the space of NAS-Bench-101 (423,624 cells). Landmarks and the scored
architectures are rows of the table's uniform part; `ranking.py` says what is measured.

    python benchmarks/nb101_ranking.py --data ../shared/data
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from jsonargparse import CLI
from ranking import Problem, Setting, compare, override

from nni_rankreg.benchmark import TabularBenchmark
from nni_rankreg.sampler import hamming_distance
from nni_rankreg.space import NasBench101, decode_nasbench101
from nni_rankreg.typing import Sample

SMALL: Setting = dict(
    pixels=16, images=10_000, channels=16, cells=1, epochs=30, batch_size=256, learning_rate=0.025,
    warmup=0.375, averaged=3, validation_images=512, landmarks=30, weight=10.)
ARMS = ['spos', 'equal-cost', 'landmark_64, 4 pairs', 'nao', 'nao, equal-cost', 'nao + landmark']

_ROWS = 5_000  # of the uniform part: enough to draw from
_NAMES = {-1: 'input', 0: 'conv3x3-bn-relu', 1: 'conv1x1-bn-relu', 2: 'maxpool3x3', -2: 'output'}
_FAR = 5  # Hamming distance of a landmark from its root; few cells differ in more labels


def make_space(setting: Setting) -> NasBench101:
    """Return the space with three stacks."""
    return NasBench101(setting['channels'], 3, setting['cells'], 10)


def read_table(data: Path, column: str, setting: Setting) -> TabularBenchmark:
    """Return a column of the table in %, three trials each, of cells drawn uniformly."""
    with np.load(data / 'nb101_weightsharing.npz') as table:
        rows = np.unique(table['run_arch_index'][table['run_space'] == b'full'])
        rows = np.random.default_rng(0).permutation(rows)[:_ROWS]
        matrices, operations, sizes, values = (
            table[name][rows] for name in ('adj', 'ops', 'n_vertices', column))
    samples = [decode_nasbench101((matrix[:size, :size].tolist(),
                                   [_NAMES[operation] for operation in names[:size].tolist()]))
               for matrix, names, size in zip(matrices, operations, sizes)]
    return TabularBenchmark(samples, 100 * values)


def draw_landmarks(space: NasBench101, table: TabularBenchmark, count: int, seed: int,
                   fixed: TabularBenchmark) -> list[Sample]:
    """Return a third of the landmarks from each of three roots; none is scored later."""
    random, third = np.random.default_rng(seed), count // 3
    drawn: list[Sample] = []
    for _ in range(3):
        order = [table.samples[row] for row in random.permutation(len(table))]
        free = [sample for sample in order if sample not in fixed and sample not in drawn]
        root, *others = free
        drawn += [root, *[other for other in others
                          if hamming_distance(root, other) > _FAR][:third - 1]]
    return drawn


PROBLEM = Problem(make_space, read_table, draw_landmarks, 'final_validation_accuracy',
                  'final_test_accuracy')


def main(data: Path, out: Path = Path('runs/nb101_ranking'), seeds: int = 3,
         arms: list[str] = ARMS, jobs: int = 2, overrides: dict[str, float] = {}) -> None:
    """Run what is missing and print the table.

    Parameters
    ----------
    data
        folder with nb101_weightsharing.npz and cifar10/
    out
        folder of the results, one file a run
    seeds
        number of seeds of each arm
    arms
        which arms to run
    jobs
        runs at a time
    overrides
        of the setting, for example {"epochs": 20}
    """
    compare(PROBLEM, override(SMALL, overrides), data, out, seeds, arms, jobs)


if __name__ == '__main__':
    warnings.filterwarnings('ignore')
    CLI(main, as_positional=False)
