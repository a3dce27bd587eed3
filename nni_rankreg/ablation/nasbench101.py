"""The problem of NAS-Bench-101: CIFAR-10, and cells of the table drawn uniformly of 423,624."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .._util.npz import named_arrays
from ..sampler import hamming_distance
from ..space import NasBench101, decode_nasbench101
from ..table import TabularBenchmark
from ..typing import Sample
from .problem import Problem, Setting

__all__ = ['NASBENCH101']

_ROWS = 5_000  # of the uniform part: enough to draw from
_NAMES = {-1: 'input', 0: 'conv3x3-bn-relu', 1: 'conv1x1-bn-relu', 2: 'maxpool3x3', -2: 'output'}
_FAR = 5  # Hamming distance of a landmark from its root; few cells differ in more labels


def _space(setting: Setting) -> NasBench101:
    """Return the space with three stacks."""
    return NasBench101(setting['channels'], 3, setting['cells'], 10)


def _table(data: Path, column: str, setting: Setting) -> TabularBenchmark:
    """Return a column of the table in %, three trials each, of cells drawn uniformly."""
    table = named_arrays(data / NASBENCH101.file, (
        'run_arch_index', 'run_space', 'adj', 'ops', 'n_vertices', column))
    rows = np.unique(table['run_arch_index'][table['run_space'] == b'full'])
    rows = np.random.default_rng(0).permutation(rows)[:_ROWS]
    matrices, operations, sizes, values = (
        table[name][rows] for name in ('adj', 'ops', 'n_vertices', column))
    samples = [decode_nasbench101((matrix[:size, :size].tolist(),
                                   [_NAMES[operation] for operation in names[:size].tolist()]))
               for matrix, names, size in zip(matrices, operations, sizes)]
    return TabularBenchmark(samples, 100 * values)


def _landmarks(space: NasBench101, table: TabularBenchmark, count: int, seed: int,
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


NASBENCH101 = Problem(
    'nb101_weightsharing.npz', _space, _table, _landmarks,
    'final_validation_accuracy', 'final_test_accuracy',
    arms=('spos', 'equal-cost', 'landmark_64, 4 pairs', 'nao', 'nao, equal-cost',
          'nao + landmark'),
    small=dict(pixels=16, images=10_000, channels=16, cells=1, epochs=30, batch_size=256,
               learning_rate=0.025, warmup=0.375, averaged=3, validation_images=512,
               landmarks=30, weight=10.))
"""Landmarks and the scored architectures are rows of the table's uniform part."""
