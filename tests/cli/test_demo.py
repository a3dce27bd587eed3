"""The demonstration: its shipped table, its summary and its pictures."""

from __future__ import annotations

import json
import math
import socket

import nni
import numpy as np
import pytest
import torch
from nni.nas.execution import SequentialExecutionEngine
from nni.nas.space import SimplifiedModelSpace
from scipy import stats

from nni_rankreg.cli import demo, main
from nni_rankreg.plan import SuperNetOutcome
from nni_rankreg.predictor import record_predictions
from nni_rankreg.table import TabularBenchmark, digits


@pytest.fixture(scope='module')
def table():
    return digits()


def test_table_is_large_and_reliable(table):
    assert table.values.shape[0] >= 300 and table.values.shape[1] == 3
    taus = [stats.kendalltau(table.values[:, i], table.values[:, j])[0]
            for i, j in ((0, 1), (0, 2), (1, 2))]
    assert np.mean(taus) == pytest.approx(table.reliability())
    assert table.reliability() >= 0.6


@pytest.mark.slow
def test_a_trial_gives_what_the_table_says(table):
    """An architecture whose result depends on the seed, with two seeds."""
    index = int(np.argmax(np.abs(table.values[:, 0] - table.values[:, 1])))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        trained = [demo.digits_accuracy(table.samples[index], seed) for seed in (0, 1)]
    finally:
        torch.set_num_threads(threads)
    # Processors and kernels differ in the last bit, and a training amplifies that.
    assert trained == pytest.approx(table.values[index, :2], abs=0.06)
    assert abs(trained[0] - trained[1]) > 0.1


def test_truth_is_the_table(table):
    truth = demo.digits_truth()
    assert truth.samples == table.samples and truth.metrics == table.metrics
    # Tables of others are not taken for traced ones, which NNI could not serialise.
    assert nni.dump(truth) and not hasattr(TabularBenchmark, 'trace_symbol')


def test_a_stopped_demo_goes_on_with_its_super_nets(tmp_path):
    search = demo.digits_search(tmp_path / 'results.sqlite')
    for job in search.supernet_jobs():
        assert job.oneshot.checkpoint_folder == tmp_path / 'checkpoints'


def finished_search(tmp_path, table):
    """Return a search as a finished demo leaves it, with made-up super-nets."""
    search = demo.digits_search(tmp_path / 'results.sqlite')
    search.initialize(SimplifiedModelSpace.from_model(demo.digits_space(),
                                                      demo.digits_evaluator()),
                      SequentialExecutionEngine())
    for index in (5, 6, 7):
        search.archive.add(table.samples[index], float(table.values[index, 0]))
        search.archive.record_job(f'stand-alone {index}', 'StandAlone', {})
    truth = demo.digits_truth()
    scores = np.random.default_rng(0).normal(size=len(truth.samples))
    for number, outcomes in ((1, search.controls), (2, search.supernets)):
        history = [{'epoch': 9., 'kendall_tau': .1, 'default': .1},
                   {'epoch': 19., 'kendall_tau': .2, 'default': .2}]
        for iteration in range(2):
            search.archive.record_job(f'super-net {number} {iteration}', 'SuperNet', {})
            outcomes.append(SuperNetOutcome([], [], history[-1], history, measured={
                'scores': (scores * number).tolist(), 'metrics': truth.metrics,
                'with_evidence': (scores * .3 + truth.metrics).tolist()}))
    record_predictions(search.archive, 'best 1', table.samples[5:8], [True] * 3,
                       {'supernet': [0., 1., 2.]})
    return search


@pytest.fixture
def finished(tmp_path, table, monkeypatch):
    """Return a finished search and its summary."""
    monkeypatch.setattr(demo, 'digits_accuracy', lambda sample, seed: float(
        table.values[table.samples.index(sample), seed]))  # what a trial gives is tested above
    search = finished_search(tmp_path, table)
    return search, {**demo.summarise(search, seed=0), 'seconds': 1.}


def test_gain_by_evidence_and_what_random_search_finds(finished, tmp_path):
    search, summary = finished
    measured = search.supernets[-1].measured
    gain = (stats.kendalltau(measured['with_evidence'], measured['metrics'])[0]
            - stats.kendalltau(search.controls[-1].measured['scores'], measured['metrics'])[0])
    assert summary['gain']['kendall_tau'] == pytest.approx(gain)
    assert 0 < summary['gain']['interval'][0] < gain < summary['gain']['interval'][1]
    assert summary['prospective'].keys() == {'supernet'}
    draws = [np.random.default_rng(seed).permutation(300)[:3].min() + 1 for seed in range(4000)]
    assert summary['random_search_rank'] == pytest.approx(np.mean(draws), rel=.05)
    text = demo.describe(summary, tmp_path)
    assert f'plain SPOS at equal cost: {gain:+.3f}' in text and 'rank 75 on average' in text


def test_summary_and_pictures(finished, tmp_path, table):
    search, summary = finished
    best = max((5, 6, 7), key=lambda index: table.values[index, 0])
    expected = stats.kendalltau(search.supernets[-1].measured['scores'],
                                search.supernets[-1].measured['metrics'])[0]
    assert summary['trials'] == {'standalone': 3, 'supernet': 4}
    assert list(summary['kendall_tau']) == ['spos', 'spos+landmark', 'with evidence']
    assert summary['kendall_tau']['spos+landmark'] == pytest.approx(expected)
    low, high = summary['interval']['spos']
    assert low < summary['kendall_tau']['spos'] < high
    assert summary['best']['sample'] == table.samples[best]
    assert summary['best']['metric'] == pytest.approx(table.values[best, 0])
    assert summary['best']['mean_of_seeds'] == pytest.approx(table.values[best].mean())
    assert summary['best']['true_rank'] == table.rank(summary['best']['mean_of_seeds'])
    assert json.loads(json.dumps(summary)) is not None and math.isfinite(low)
    demo.draw(tmp_path, search, summary)
    for name in ('rank_scatter', 'tau_per_epoch', 'best_cell'):
        assert (tmp_path / f'{name}.png').read_bytes().startswith(b'\x89PNG')
    text = demo.describe(summary, tmp_path)
    assert 'spos+landmark' in text and f'rank {summary["best"]["true_rank"]}' in text


@pytest.mark.parametrize('port', [0, -1, 65536, 10 ** 30])
def test_impossible_ports(tmp_path, port):
    with pytest.raises(ValueError, match=f'Expected a port from 1 to 65535, got {port}'):
        demo.demo(tmp_path / 'demo', port)
    assert not list(tmp_path.iterdir())


def test_busy_port(tmp_path, capsys):
    with socket.create_server(('localhost', 0)) as server:
        port = server.getsockname()[1]
        assert main(['demo', '--out', str(tmp_path / 'demo'), '--port', str(port)]) == 2
    line, = capsys.readouterr().err.strip().splitlines()
    assert f'Expected a free port, got {port}, where something listens' in line


def test_finished_demo_is_moved_aside(tmp_path):
    out = tmp_path / 'demo'
    out.mkdir()
    (out / 'results.sqlite').write_text('results')
    demo._keep_finished(out)
    assert out.exists(), 'an unfinished demo continues'
    (out / 'summary.json').write_text('{}')
    demo._keep_finished(out)
    kept, = tmp_path.glob('demo-*')
    assert not out.exists() and (kept / 'results.sqlite').read_text() == 'results'
