"""The problem of NAS-Bench-201: CIFAR-10, and all 15,625 cells of the table, or 4,096 of them."""

from __future__ import annotations

from pathlib import Path

from ..sampler import LandmarkSampler
from ..space import NasBench201, decode_nasbench201
from ..table import TabularBenchmark
from ..typing import Sample
from .arms import ARMS
from .problem import Problem, Setting

__all__ = ['NASBENCH201']


def _space(setting: Setting) -> NasBench201:
    """Return the space, of 4 operations without none.

    Parameters
    ----------
    setting
        Its ``channels``, ``cells`` and ``operations`` count.
    """
    return NasBench201(setting['channels'], setting['cells'], 10, setting['operations'] == 5)


def _table(data: Path, column: str, setting: Setting) -> TabularBenchmark:
    """Return a column of the table, of 4 operations without the architectures with a none.

    Parameters
    ----------
    data
        Folder with ``nb201.npz``: ``arch``, the strings of the benchmark, and the columns.
    column
        Name of the column.
    setting
        Its ``operations`` count.
    """
    table = TabularBenchmark.from_npz(data / NASBENCH201.file, column, decode_nasbench201)
    if setting['operations'] == 5:
        return table
    kept = [index for index, sample in enumerate(table.samples) if 'none' not in sample.values()]
    return TabularBenchmark([table.samples[index] for index in kept], table.values[kept])


def _landmarks(space: NasBench201, table: TabularBenchmark, count: int, seed: int,
               fixed: TabularBenchmark) -> list[Sample]:
    """Return a third of the landmarks from each of three roots; none is scored later."""
    third = count // 3
    drawn = [LandmarkSampler(space, seed=3 * seed + root).sample(2 * third) for root in range(3)]
    return [sample for samples in drawn
            for sample in [one for one in samples if one not in fixed][:third]]


NASBENCH201 = Problem(
    'nb201.npz', _space, _table, _landmarks, 'xvalid_c10_200', 'xtest_c10_200',
    arms=tuple(arm for arm in ARMS if 'all pairs' not in arm), operations=(5, 4),
    small=dict(pixels=16, images=10_000, channels=8, cells=1, epochs=30, batch_size=256,
               learning_rate=0.025, warmup=0.375, averaged=3, validation_images=512,
               landmarks=30, weight=10.),
    full_arms=('spos', 'equal-cost', 'landmark_64, 4 pairs', 'RD vote, strong',
               'landmark + RD vote, strong'),
    full=dict(pixels=32, images=25_000, channels=16, cells=5, epochs=400, batch_size=256,
              learning_rate=0.025, warmup=0.625, averaged=1, validation_images=2_560,
              landmarks=30, weight=10.))
"""Landmarks by validation accuracy, the ranking against test accuracy, both after 200 epochs."""
