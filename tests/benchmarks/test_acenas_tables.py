"""The tables of AceNAS' searches: what is told where none has found an optimum."""

from __future__ import annotations

import json

import pytest
from helpers.places import BENCHMARKS


@pytest.fixture
def tables(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import acenas_tables
    return acenas_tables


@pytest.mark.parametrize('trained, found, median', [
    ((None, None), '0', 'inf'), ((None, 20), '1', 'inf'), ((10, 20), '2', '15')])
def test_report(tables, tmp_path, trained, found, median):
    for seed, count in enumerate(trained):
        (tmp_path / f'seed-{seed}.json').write_text(json.dumps({'c100/LambdaRank/weights/50': {
            'row': 1, 'test': 70. + seed, 'rank': 3, 'trained': count, 'seconds': 1.}}))
    line = tables.report(tmp_path).splitlines()[-1]
    cells = [cell.strip() for cell in line.strip('|').split('|')]
    assert cells[:5] == ['c100', 'LambdaRank', 'weights', '50 + 10', '2']
    assert cells[6:11] == ['3', '3', found, found, median]
