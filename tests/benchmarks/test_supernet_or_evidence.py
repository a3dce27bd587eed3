"""Super-nets beside what needs none: correlations and gains against scipy, of what is stored."""

from __future__ import annotations

import json

import numpy as np
import pytest
from helpers.places import BENCHMARKS, ROOT
from scipy.stats import kendalltau, rankdata


@pytest.fixture
def module(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import supernet_or_evidence
    return supernet_or_evidence


@pytest.fixture
def results(module, tmp_path):
    """Return a folder with runs of two lengths, and what they are averaged with."""
    random = np.random.default_rng(0)
    truth = random.normal(size=50)
    noisy = [(truth + random.normal(size=50)).tolist() for _ in range(12)]
    alone = {'truth': truth.tolist(), 'vote': noisy[0], 'teacher': noisy[1:6],
             'cpu_seconds': [1., 2., 3., 2., 2.]}
    (tmp_path / module.FILE).write_text(json.dumps({'alone': alone}))
    runs = [('spos', 0, 30, noisy[6], {}), ('spos', 1, 30, noisy[7], {'cpu_seconds': 40.}),
            ('spos', 0, 60, noisy[8], {}), ('spos, longer', 2, 30, noisy[9], {}),
            ('RD flops', 0, 30, noisy[10], {})]
    for row, (arm, seed, epochs, scores, more) in enumerate(runs):
        folder = tmp_path / f'nb201_ranking{"" if epochs == 30 else f"_{epochs}"}'
        folder.mkdir(exist_ok=True)
        (folder / f'{row}.json').write_text(json.dumps({
            'arm': arm, 'seed': seed, 'scores': scores, 'setting': {'epochs': epochs}, **more}))
    return tmp_path, alone, {run[:3]: run[3] for run in runs}


def test_correlations(module, results):
    folder, alone, runs = results

    def tau(*scores):
        return pytest.approx(kendalltau(np.sum([*map(rankdata, scores)], axis=0),
                                        alone['truth']).statistic)

    vote, teacher, *nets = module.ranked(folder)
    assert vote.alone == [tau(alone['vote'])]
    assert teacher.alone == [tau(one) for one in alone['teacher']] and teacher.cpu_seconds == 2
    assert [(net.epochs, net.seeds) for net in nets] == [(30, [0, 1]), (60, [0]), (68, [2])]
    assert nets[0].cpu_seconds == 40 and nets[1].cpu_seconds is None
    first = runs['spos', 0, 30], runs['spos', 1, 30]
    assert nets[0].alone == [*map(tau, first)]
    assert nets[0].with_teacher == [tau(*both) for both in zip(first, alone['teacher'])]
    assert nets[0].with_both == [tau(alone['vote'], *both) for both in zip(first, alone['teacher'])]


def test_report(module, results):
    _, _, _, net, *_ = module.report(results[0]).splitlines()[1:]
    _, title, epochs, seeds, seconds, alone, _, gain, *_ = map(str.strip, net.split('|'))
    _, teacher, row, *_ = module.ranked(results[0])
    assert (title, epochs, seeds, seconds) == ('plain super-net', '30', '2', '40')
    assert alone.startswith(f'{np.mean(row.alone):+.3f} ± ')
    assert gain.split()[0] == f'{np.mean(row.with_teacher) - np.mean(teacher.alone[:2]):+.3f}'


def test_stored_results_are_complete(module):
    """The teacher's seeds are those of the super-nets, on as many architectures."""
    free = json.loads((ROOT / 'benchmarks' / 'results' / module.FILE).read_text())['alone']
    assert {len(free['truth']), len(free['vote']), *map(len, free['teacher'])} == {200}
    assert len(free['teacher']) == module.SEEDS
