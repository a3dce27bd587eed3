"""What the benchmark of fronts reports, and its rivals, on a table made up here."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.places import BENCHMARKS


@pytest.fixture
def module(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import front
    return front


@pytest.fixture
def table(module):
    cells = np.array(list(itertools.product(range(5), repeat=6)))
    latency = 1. + cells.sum(1)
    accuracy = np.sqrt(latency) - 0.1 * (cells[:, 0] == cells[:, 1])
    return module.Front(SimpleNamespace(table=SimpleNamespace(metric=accuracy)), latency, cells)


def test_shares(module, table):
    every = range(len(table.cells))
    worst = table.accuracy.min()
    assert table.share(every, worst) == 1
    best = [int(table.accuracy.argmax())]      # beside the largest latency: it covers nothing
    assert table.latency[best] == table.latency.max() and table.share(best, worst) == 0
    middle = int(np.flatnonzero(table.latency == 13)[0])
    area = (table.accuracy[middle] - worst) * 12
    steps = [table.accuracy[table.latency <= level].max() - worst for level in range(1, 25)]
    assert table.share([middle], worst) == pytest.approx(area / sum(steps))


@pytest.mark.parametrize('method', ['nsga-ii', 'random'])
def test_rivals_train_different_cells(module, table, method):
    rows = module.METHODS[method](table, 3, 60)
    assert len(rows) == len(set(rows)) == 60
    assert rows == module.METHODS[method](table, 3, 60) != module.METHODS[method](table, 4, 60)


def test_nsga_is_better_than_random(module, table):
    shares = [np.mean([table.share(module.METHODS[method](table, seed, 200), table.accuracy.min())
                       for seed in range(5)]) for method in ('nsga-ii', 'random')]
    assert shares[0] > shares[1]


def test_survivors_keep_the_ends_of_the_front(module, table):
    rows = list(range(0, len(table.cells), 97))
    kept = module._survivors(table, rows)
    assert len(kept) == module.POPULATION
    points = np.column_stack([-table.accuracy[rows], table.latency[rows]])
    for column in points.T:
        assert column.min() in [column[rows.index(row)] for row in kept]
