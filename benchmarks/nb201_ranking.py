"""Do regularisers rank NAS-Bench-201 better? Real CIFAR-10, the real table.

Trains the super-net of NAS-Bench-201 in several arms and scores the same 200 architectures with
each. The arms of landmark regularisation (Yu et al., CVPR 2021):

* ``spos``: plain single-path one-shot, for as many epochs;
* ``equal-cost``: in the ranking epochs two more random sub-nets per step, trained by
  cross-entropy on the ranking batch, so as many sub-net passes as the next arm;
* ``landmark``: m = 1, the ranking batch as large as the training batch, 256; ``landmark_64``: a
  ranking batch of 64, which costs less.

And those of ranking distillation (RD-NAS, 2023) and its peers, all with as many sub-net passes in
an epoch as ``landmark`` has on average, see `ranking_arms.py`. The arms ``nao`` train on the pool
of neural architecture optimisation; their passes for scoring the pool are not counted.
`ranking.py` says what is measured.

    python benchmarks/nb201_ranking.py --data ../shared/data
    python benchmarks/nb201_ranking.py --data ../shared/data --operations 4 --out runs/nb201_4
    python benchmarks/nb201_ranking.py --data ../shared/data --full      # for a GPU
"""

from __future__ import annotations

import warnings
from pathlib import Path

from jsonargparse import CLI
from ranking import Problem, Setting, compare, override
from ranking_arms import ARMS

from nni_rankreg.benchmark import TabularBenchmark
from nni_rankreg.sampler import LandmarkSampler
from nni_rankreg.space import NasBench201, decode_nasbench201
from nni_rankreg.typing import Sample

SMALL: Setting = dict(
    pixels=16, images=10_000, channels=8, cells=1, epochs=30, batch_size=256, learning_rate=0.025,
    warmup=0.375, averaged=3, validation_images=512, landmarks=30, weight=10.)
FULL: Setting = dict(
    pixels=32, images=25_000, channels=16, cells=5, epochs=400, batch_size=256,
    learning_rate=0.025, warmup=0.625, averaged=1, validation_images=2_560, landmarks=30,
    weight=10.)


def make_space(setting: Setting) -> NasBench201:
    """Return the space, of 4 operations without none."""
    return NasBench201(setting['channels'], setting['cells'], 10, setting['operations'] == 5)


def read_table(data: Path, column: str, setting: Setting) -> TabularBenchmark:
    """Return a column of the table, of 4 operations without the architectures with a none."""
    table = TabularBenchmark.from_npz(data / 'nb201.npz', column, decode_nasbench201)
    if setting['operations'] == 5:
        return table
    kept = [index for index, sample in enumerate(table.samples) if 'none' not in sample.values()]
    return TabularBenchmark([table.samples[index] for index in kept], table.values[kept])


def draw_landmarks(space: NasBench201, table: TabularBenchmark, count: int, seed: int,
                   fixed: TabularBenchmark) -> list[Sample]:
    """Return a third of the landmarks from each of three roots; none is scored later."""
    third = count // 3
    drawn = [LandmarkSampler(space, seed=3 * seed + root).sample(2 * third) for root in range(3)]
    return [sample for samples in drawn
            for sample in [one for one in samples if one not in fixed][:third]]


PROBLEM = Problem(make_space, read_table, draw_landmarks, 'xvalid_c10_200', 'xtest_c10_200')


def main(data: Path, out: Path = Path('runs/nb201_ranking'), full: bool = False,
         operations: int = 5, seeds: int = 3, arms: list[str] = list(ARMS), jobs: int = 2,
         overrides: dict[str, float] = {}) -> None:
    """Run what is missing and print the table.

    Parameters
    ----------
    data
        folder with nb201.npz and cifar10/
    out
        folder of the results, one file a run
    full
        the paper's setting (32x32, 25k/25k, stem 16, 5 cells, 250+150 epochs) for a GPU
    operations
        5, or 4: without none, the space of RD-NAS
    seeds
        number of seeds of each arm
    arms
        which arms to run
    jobs
        runs at a time
    overrides
        of the setting, for example {"epochs": 20}
    """
    setting = override(FULL if full else SMALL, overrides)
    compare(PROBLEM, dict(setting, operations=operations), data, out, seeds, arms, jobs)


if __name__ == '__main__':
    warnings.filterwarnings('ignore')
    CLI(main, as_positional=False)
