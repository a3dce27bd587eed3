"""The benchmark of how costs grow: that it runs and continues, and what its tables tell."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from helpers.places import BENCHMARKS


@pytest.fixture
def report(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import scaling_report
    return scaling_report


def step(landmarks, pairs, seconds, activations, process):
    return {'landmarks': landmarks, 'pairs': pairs, 'seconds': seconds,
            'activations': activations, 'process': process}


FOUND = {
    'quick': True,
    'landmarks': [step(0, 0, [1., 2., 4.], 10, 100), step(10, 1, [3., 4., 4.], 25, 200)],
    'pairs': [step(0, 0, [1.], 10, 100), step(100, 4, [5.], 90, 300)],
    'spaces': [{'space': 'cells', 'kind': 'nodes', 'labels': 2, 'choices': 20, 'log10': 2.,
                'parameters': 1000, 'supernet': [2., 3.], 'alone': [1., 2.], 'switch': 0.025}],
    'processes': [{'arm': 'SPOS', 'batch': 10, 'alone': [1., 2.], 'both': [2., 2.]}],
    'archives': [{'stored': 1000, 'insert': 2., 'bytes': 5e6, 'process': 7e6, 'add': 0.001,
                  'look-up': 0.002, 'count': 0.003, 'best': 0.004, 'open': 0.005, 'read': 0.006}],
}


def rows(table):
    return [[cell.strip() for cell in line.strip('|').split('|')] for line in table.splitlines()]


def test_tables(report, tmp_path):
    (tmp_path / report.FILE).write_text(json.dumps(FOUND))
    steps, pairs, spaces, processes, archives = map(
        rows, report.report(tmp_path / report.FILE).split('\n\n'))
    assert steps[2:] == [['plain SPOS', '2000.0', '1.00', '1.00', '0.0', '1.00', '0'],
                         ['10', '4000.0', '2.00', '2.50', '0.0', '2.00', '0']]
    assert pairs[3][0] == '4' and pairs[3][2] == '5.00' and pairs[3][5] == '3.00'
    assert spaces[2] == ['cells', '2', '20', '10^2.0', '0.00', '1500.0', '2500.0', '1.75',
                         '25.0000', '1.00 %']
    assert processes[2] == ['SPOS', '7', '10', '0.75']
    assert archives[2] == ['1,000', '2.00', '2000', '5.0', '1.00', '2.00', '3.00', '4.00', '5.00',
                           '6.00', '7']


def test_pictures(report, tmp_path):
    (tmp_path / 'scaling.json').write_text(json.dumps(FOUND))
    report.draw(tmp_path, tmp_path / 'docs')
    for name in ('steps', 'spaces', 'archive'):
        picture = (tmp_path / 'docs' / f'scaling_{name}.png').read_bytes()
        assert picture.startswith(b'\x89PNG')


def run(out, quick='true'):
    return subprocess.run(
        [sys.executable, '-W', 'ignore', BENCHMARKS / 'scaling.py', '--quick', quick, '--out', out],
        env={**os.environ, 'OMP_NUM_THREADS': '1'}, capture_output=True, text=True)


@pytest.mark.slow
def test_continues_with_the_missing_parts(tmp_path):
    """The other parts are not measured again; those of processes start another program."""
    missing = ('pairs', 'archives')
    out = tmp_path / 'scaling.json'
    out.write_text(json.dumps({key: value for key, value in FOUND.items() if key not in missing}))
    child = run(tmp_path)
    assert child.returncode == 0, child.stderr[-3000:]
    found = json.loads(out.read_text())
    assert {key: value for key, value in found.items() if key not in missing} == {
        key: value for key, value in FOUND.items() if key not in missing}
    plain, pairs = found['pairs']
    assert pairs['activations'] > 3 * plain['activations'] > 0  # two pairs: five sub-nets for one
    assert [row['stored'] for row in found['archives']] == [1000]
    assert all(row[name] > 0 for row in found['archives'] for name in FOUND['archives'][0])
    assert '| 1,000 ' in child.stdout and os.listdir(tmp_path) == ['scaling.json']


def test_refuses_the_file_of_another_run(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import scaling
    (tmp_path / 'scaling.json').write_text(json.dumps(FOUND))
    with pytest.raises(ValueError, match='Expected a file of a run with --quick False .*another'):
        scaling.main(tmp_path)
