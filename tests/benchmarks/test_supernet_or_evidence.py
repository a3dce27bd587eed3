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
    alone = {'truth': truth.tolist(), 'vote': noisy[:3], 'teacher': noisy[3:6],
             'cpu_seconds': [1., 2., 3.]}
    (tmp_path / module.FILE).write_text(json.dumps({'NAS-Bench-201': alone}))
    runs = [('spos', 0, 30, noisy[6], {}), ('spos', 1, 30, noisy[7], {'cpu_seconds': 40.}),
            ('spos', 0, 60, noisy[8], {}), ('spos, longer', 2, 30, noisy[9], {}),
            ('spos', 3, 30, noisy[9], {}), ('RD flops', 0, 30, noisy[10], {})]
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

    vote, teacher, *nets = module.ranked(folder, 'NAS-Bench-201')
    assert vote.alone == [tau(one) for one in alone['vote']]
    assert teacher.alone == [tau(one) for one in alone['teacher']] and teacher.cpu_seconds == 2
    assert [(net.epochs, net.seeds) for net in nets] == [(30, [0, 1]), (60, [0])]
    assert nets[0].cpu_seconds == 40 and nets[1].cpu_seconds is None
    first = runs['spos', 0, 30], runs['spos', 1, 30]
    assert nets[0].alone == [*map(tau, first)]
    assert nets[0].with_teacher == [tau(*both) for both in zip(first, alone['teacher'])]
    assert nets[0].with_vote == [tau(*both) for both in zip(first, alone['vote'])]


def test_report(module, results):
    folder = results[0]
    *_, net = module.report(folder / module.FILE, 'NAS-Bench-201').splitlines()[:5]
    _, title, epochs, seeds, seconds, alone, *others, _ = map(str.strip, net.split('|'))
    vote, teacher, row, *_ = module.ranked(folder, 'NAS-Bench-201')
    assert (title, epochs, seeds, seconds) == ('plain super-net', '30', '2', '40')
    assert alone.startswith(f'{np.mean(row.alone):+.3f} ± ')
    assert [one.split()[0] for one in others] == [f'{one:+.3f}' for one in (
        np.mean(row.with_vote), np.mean(row.with_vote) - np.mean(vote.alone[:2]),
        np.mean(row.with_teacher), np.mean(row.with_teacher) - np.mean(teacher.alone[:2]))]


def test_stored_results_are_complete(module):
    """The seeds of votes and teachers are those of super-nets, on as many architectures."""
    found = json.loads((ROOT / 'benchmarks' / 'results' / module.FILE).read_text())
    for name, space in module.SPACES.items():
        free = found[name]
        assert len(free['vote']) == len(free['teacher']) == space.seeds
        assert {len(free['truth']), *map(len, free['vote'] + free['teacher'])} == {200}
