"""The numbers of the ablation against SciPy's, the runs that are kept, and what is refused."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest
import torch
from helpers.places import ROOT
from scipy import stats

from nni_rankreg.ablation import pool
from nni_rankreg.ablation.arms import ARMS, steps
from nni_rankreg.ablation.nasbench101 import NASBENCH101
from nni_rankreg.ablation.nasbench201 import NASBENCH201
from nni_rankreg.ablation.problem import choose_setting
from nni_rankreg.ablation.run import Run
from nni_rankreg.ablation.summary import COLUMNS, summarise_arms
from nni_rankreg.cli import main


def cells(table):
    return [[cell.strip() for cell in line.strip('|').split('|')]
            for line in table.splitlines()[2:]]


@pytest.mark.slow
def test_results_against_scipy(run_ablation, ablation_data, tmp_path):
    (result,) = run_ablation(tmp_path).values()
    table = NASBENCH201.table(ablation_data, 'xtest_c10_200', result['setting']).subset(12, seed=0)
    assert result['kendall_tau'] == pytest.approx(
        stats.kendalltau(result['scores'], table.metrics).statistic)
    low, high = result['bootstrap']
    assert low <= result['kendall_tau'] <= high and len(set(result['scores'])) == 12
    assert 0 < result['active'] <= 1 and result['device'] == 'cpu'
    assert result['setting']['epochs'] == 6 and result['setting']['operations'] == 4


@pytest.mark.slow
def test_control_is_never_taken_for_a_hinge(run_ablation, tmp_path):
    results = run_ablation(tmp_path, ('spos', 'equal-cost'), epochs=2)
    assert results['spos', 0]['active'] == 0. and results['equal-cost', 0]['active'] == 1.


def test_report_against_scipy():
    random = np.random.default_rng(0)
    results = [dict(arm=arm, seed=seed, seconds=seconds * (seed + 1), active=0.25 * seed,
                    kendall_tau=random.uniform(), sparse_kendall_tau=random.uniform())
               for arm, seconds in (('spos', 10.), ('landmark', 15.)) for seed in (2, 0, 1)]
    results.append({**results[0], 'arm': 'gdas', 'seed': 7})
    rows = {row[0]: dict(zip(COLUMNS, row[1:])) for row in cells(summarise_arms(results))}
    assert list(rows) == ['spos', 'landmark', 'gdas']
    for arm in ('spos', 'landmark'):
        taus = [one['kendall_tau'] for one in sorted(
            (one for one in results if one['arm'] == arm), key=lambda one: one['seed'])]
        low, high = stats.t.interval(0.95, 2, np.mean(taus), np.std(taus, ddof=1) / 3 ** 0.5)
        assert rows[arm]['Kendall tau-b'] == f'{np.mean(taus):+.3f}'
        assert rows[arm]['95 % interval'] == f'{low:+.3f} .. {high:+.3f}'
        assert rows[arm]['each seed'] == ', '.join(f'{tau:+.3f}' for tau in taus)
    assert rows['landmark']['cost'] == '1.50 (1.50 .. 1.50)'
    assert rows['landmark']['seconds'] == '30' and rows['landmark']['hinge active'] == '25%'
    assert rows['spos']['hinge active'] == rows['gdas']['95 % interval'] == ''
    assert rows['gdas']['cost'] == ''           # no plain SPOS with that seed
    titled = summarise_arms(results, {'landmark': 'L'}, ('seconds',))
    assert cells(titled) == [['L', '30']]


def test_committed_runs_count_as_done(ablation_data, tmp_path, monkeypatch, capsys):
    """Nothing is trained, and the table is that of docs/results/landmarks.md."""
    out = tmp_path / 'runs'
    shutil.copytree(ROOT / 'benchmarks' / 'results' / 'nb201_ranking', out)
    before = {path.name for path in out.iterdir()}
    monkeypatch.setattr(pool, 'train', lambda *_: pytest.fail('trained'))
    arms = ['spos', 'equal-cost', 'landmark', 'landmark_128', 'landmark_64', 'landmark_32']
    assert main(['ablate', '--data', str(ablation_data), '--out', str(out), '--seeds', '5',
                 '--jobs', '1',
                 '--minutes', '1', '--arms', json.dumps(arms)]) == 0
    printed = {row[0]: row[1:] for row in cells(
        re.search(r'\| arm .*\|', capsys.readouterr().out, re.DOTALL).group())}
    document = (ROOT / 'docs' / 'results' / 'landmarks.md').read_text()
    table = re.search('<!-- landmarks -->\n(.*?)\n<!-- end -->', document, re.DOTALL).group(1)
    assert [printed[arm] for arm in arms] == [row[1:] for row in cells(table)]
    assert {path.name for path in out.iterdir()} == before
    done = {(one['arm'], one['seed']) for one in map(json.loads, (
        path.read_text() for path in out.glob('*.json')))}
    assert {(arm, seed) for arm in NASBENCH201.arms for seed in range(3)} <= done


def test_settings():
    small = choose_setting(NASBENCH201, False, 5, {})
    stored = json.loads((ROOT / 'benchmarks/results/nb201_ranking/spos-0.json').read_text())
    assert small == stored['setting']
    stored = json.loads((ROOT / 'benchmarks/results/nb101_ranking/spos-0.json').read_text())
    assert choose_setting(NASBENCH101, False, 5, {'epochs': 16.}) == stored['setting']
    full = choose_setting(NASBENCH201, True, 4, {})
    assert (full['epochs'], full['images'], full['cells'], full['channels'], full['pixels']) == (
        400, 25_000, 5, 16, 32)                 # Yu et al., CVPR 2021, section 5.1
    assert round(full['epochs'] * full['warmup']) == 250 and full['operations'] == 4


def test_arms_have_as_many_passes_as_landmarks():
    """In 30 epochs of 40 steps: 11 with one pass, 19 with three."""
    setting = choose_setting(NASBENCH201, False, 5, {})
    passes = 40 * (11 + 19 * 3)
    for name, arm in ARMS.items():
        if arm.passes is not None:
            before, after = (5, 5) if name == 'FairNAS' else arm.passes
            assert steps(arm, setting) * (11 * before + 19 * after) == pytest.approx(
                passes, rel=0.02), name
    assert steps(ARMS['landmark'], setting) == 40
    with pytest.raises(ValueError, match='FairNAS with NAS-Bench-201'):
        steps(ARMS['FairNAS'], NASBENCH101.small)


def test_names_of_files_are_plain_and_different():
    names = [Run(NASBENCH201, {}, ROOT, ROOT, 'cpu', arm, 0).state.name for arm in ARMS]
    assert len(set(names)) == len(ARMS) and all(re.fullmatch(r'[\w-]+', name) for name in names)


def refused(capsys, *options):
    assert main(['ablate', *options]) == 2
    error = capsys.readouterr().err.strip()
    assert len(error.splitlines()) == 1 and error.startswith('nni-rankreg: ')
    return error


@pytest.mark.parametrize('options, message', [
    (['--arms', '["spos","spo"]'], r"Expected arms among \['spos', .*got \['spo'\]"),
    (['--overrides', '{"epoch": 3}'], 'Expected overrides of pixels, images, .*got epoch'),
    (['--overrides', '{"epochs": 2.5}'], 'Expected epochs to be a whole number above 0, got 2.5'),
    (['--overrides', '{"weight": -1}'], 'Expected weight to be a number of at least 0, got -1'),
    (['--operations', '3'], r'Expected operations among \(5, 4\) with nb201.npz, got 3'),
    (['--space', 'nb101', '--operations', '4'], r'Expected operations among \(5,\)'),
    (['--space', 'nb101', '--full'], 'Expected no full setting with nb101_weightsharing.npz'),
    (['--space', 'nb301'], 'nb301'),
    (['--device', 'tpu'], 'tpu'),
    (['--seeds', '0'], 'Expected seeds above 0, got 0'),
    (['--minutes', '-1'], 'Expected minutes above 0, got -1'),
    (['--space', 'nb101'], 'Expected the table nb101_weightsharing.npz in .*, got none'),
])
def test_errors(options, message, ablation_data, tmp_path, capsys):
    error = refused(capsys, '--data', str(ablation_data), '--out', str(tmp_path / 'out'), *options)
    assert re.search(message, error)
    assert not (tmp_path / 'out').exists()


def test_missing_data(ablation_data, tmp_path, capsys):
    assert 'Expected the table nb201.npz in' in refused(capsys, '--data', str(tmp_path))
    shutil.copy(ablation_data / 'nb201.npz', tmp_path)
    error = refused(capsys, '--data', str(tmp_path))
    assert 'Expected CIFAR-10 in' in error and 'cifar-10-batches-py' in error


def test_other_results_in_the_folder(ablation_data, tmp_path, capsys):
    result = {'arm': 'spos', 'seed': 0, 'setting': {'epochs': 1}}
    for text, message in ((json.dumps(result), "Expected results of {'pixels': 16.*one of {'epo"),
                          ('{', 'Expected the result of a run in .*spos-0.json')):
        (tmp_path / 'spos-0.json').write_text(text)
        error = refused(capsys, '--data', str(ablation_data), '--out', str(tmp_path))
        assert re.search(message, error)


@pytest.mark.skipif(torch.cuda.is_available(), reason='there is a GPU')
def test_no_gpu(ablation_data, capsys):
    assert "such as cpu or cuda, got 'cuda': " in refused(
        capsys, '--data', str(ablation_data), '--device', 'cuda')


@pytest.mark.gpu
def test_on_a_gpu(run_ablation, tmp_path):
    (result,) = run_ablation(tmp_path, ('landmark',), 1, '--device', 'cuda').values()
    assert np.isfinite(result['scores']).all() and result['device'] != 'cpu'


@pytest.mark.slow
def test_real_data(shared_data, tmp_path, capsys):
    overrides = {'pixels': 8, 'images': 32, 'channels': 2, 'epochs': 2, 'batch_size': 16,
                 'averaged': 1, 'validation_images': 16}
    assert main(['ablate', '--data', str(shared_data), '--out', str(tmp_path),
                 '--arms', '["landmark"]', '--seeds', '1', '--jobs', '1',
                 '--overrides', json.dumps(overrides)]) == 0
    result = json.loads((tmp_path / 'landmark-0.json').read_text())
    assert len(result['scores']) == 200
    assert f'| landmark | {result["kendall_tau"]:+.3f} ' in capsys.readouterr().out
