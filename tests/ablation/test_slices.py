"""An ablation that was stopped, by the clock or by a kill, ends as if it had not been."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import signal
from types import SimpleNamespace

import pytest
import torch

from nni_rankreg.ablation import arms, pool, run, watch
from nni_rankreg.ablation.arms import steps
from nni_rankreg.ablation.problem import choose_setting
from nni_rankreg.ablation.training import train
from nni_rankreg.ablation.watch import Watch
from nni_rankreg.cli import ablate as command
from nni_rankreg.cli import main

pytestmark = pytest.mark.slow
ARMS = ('landmark', 'RD flops', 'gdas + landmark')  # all steps, fewer steps, another strategy
PART = ('--minutes', '0.6')  # 34 looks at the clock


@pytest.fixture
def clock(monkeypatch):
    """Let a second pass whenever somebody looks at the clock."""
    seconds = [0]

    def look():
        seconds[0] += 1
        return float(seconds[0])

    for module in (command, run, watch):
        monkeypatch.setattr(module, 'time', SimpleNamespace(time=look, process_time=float))
    return seconds


def without_times(results):
    return {key: {**one, 'seconds': 0, 'cpu_seconds': 0} for key, one in results.items()}


def test_slices_give_what_a_whole_run_gives(run_ablation, clock, tmp_path, capsys):
    whole = run_ablation(tmp_path / 'whole', ARMS)
    assert len(whole) == 3 and 'Left are:' not in capsys.readouterr().out
    assert not list((tmp_path / 'whole' / 'state').iterdir())
    progress, results = [], {}
    while len(results) < 3:
        results = run_ablation(tmp_path / 'parts', ARMS, 1, *PART)
        text = capsys.readouterr().out
        progress.append([int(one) for one in re.findall(r': (\d) of 6 epochs', text)])
    assert len(progress) == 6 and progress[0] == [4, 0, 0] and progress[-1] == []
    assert without_times(results) == without_times(whole)
    for (arm, _), one in results.items():       # a look at each step, another at the end
        assert one['seconds'] == 6 * (steps(arms.ARMS[arm], one['setting']) + 1)


def test_a_slice_ends_within_an_epoch_that_takes_longer(run_ablation, clock, tmp_path, monkeypatch,
                                                        capsys):
    whole = run_ablation(tmp_path / 'whole')
    start = Watch.on_train_batch_start

    def slow(self, trainer, module, batch, index):
        clock[0] += 1_000 * ((trainer.current_epoch, index) == (3, 2))
        start(self, trainer, module, batch, index)

    with monkeypatch.context() as patch:
        patch.setattr(Watch, 'on_train_batch_start', slow)
        for again in range(2):
            assert not run_ablation(tmp_path / 'parts', ('landmark',), 1, '--minutes', '10')
            text = capsys.readouterr().out
            assert 'landmark, seed 0: 3 of 6 epochs' in text
            assert ('No epoch has ended in this time' in text) is bool(again)
    assert without_times(run_ablation(tmp_path / 'parts')) == without_times(whole)


def test_a_kill_within_an_epoch_loses_only_that(run_ablation, tmp_path, monkeypatch):
    whole = run_ablation(tmp_path / 'whole')
    start = Watch.on_train_batch_start

    def kill(self, trainer, module, batch, index):
        if (trainer.current_epoch, index) == (3, 2):
            os.kill(os.getpid(), signal.SIGKILL)
        start(self, trainer, module, batch, index)

    with monkeypatch.context() as patch:
        patch.setattr(Watch, 'on_train_batch_start', kill)
        process = multiprocessing.get_context('fork').Process(
            target=run_ablation, args=(tmp_path / 'parts',))
        process.start()
        process.join()
    assert process.exitcode == -signal.SIGKILL
    folder = tmp_path / 'parts' / 'state' / 'landmark-0'
    assert [path.name for path in folder.iterdir()] == ['last.ckpt']
    assert torch.load(folder / 'last.ckpt', weights_only=True)['epoch'] == 2
    assert without_times(run_ablation(tmp_path / 'parts')) == without_times(whole)
    assert not folder.exists()


def test_a_state_of_another_training_is_refused(run_ablation, clock, tmp_path, capsys,
                                                ablation_data):
    run_ablation(tmp_path, ('landmark',), 1, *PART)
    setting = ('{"epochs": 7, "pixels": 8, "images": 64, "channels": 2, "batch_size": 16, '
               '"landmarks": 6, "averaged": 2, "validation_images": 16}')
    assert main(['ablate', '--data', str(ablation_data), '--out', str(tmp_path),
                 '--operations', '4', '--arms', '["landmark"]', '--jobs', '1',
                 '--overrides', setting]) == 2
    error = capsys.readouterr().err.strip()
    assert re.match(r"nni-rankreg: Expected a training of {.*'epochs': 7, .* got one with "
                    r"{'epochs': 6}. Remove it, or give another folder as --out.$", error)
    assert len(error.splitlines()) == 1


def test_several_at_a_time_in_slices(run_ablation, tmp_path, ablation_data):
    whole = run_ablation(tmp_path / 'whole', ('spos',), 2)
    small = command.NASBENCH201._replace(scored=12)
    (setting,) = {json.dumps(one['setting']) for one in whole.values()}
    runs = [run.Run(small, json.loads(setting), ablation_data, tmp_path, 'cpu', 'spos', seed)
            for seed in range(2)]
    pool.train_all(runs, run.Slice(), 2)
    assert without_times({(one['arm'], one['seed']): one for one in run.finished_runs(
        tmp_path, json.loads(setting))}) == without_times(whole)


def test_the_full_state_is_small_enough_to_be_carried(ablation_data, tmp_path, monkeypatch):
    """The network of the paper; every parameter has been trained, so that all have a momentum."""
    setting = choose_setting(command.NASBENCH201, True, 4, dict(
        pixels=8, images=160, batch_size=2, epochs=2, validation_images=2, landmarks=6,
        warmup=0.))
    monkeypatch.setattr(Watch, 'on_train_epoch_start', lambda self, trainer, module: (
        trainer.current_epoch and self.slice.check(float('inf'))))
    one = run.Run(command.NASBENCH201, setting, ablation_data, tmp_path, 'cpu', 'equal-cost', 0)
    train(one)
    path = one.state / 'last.ckpt'
    checkpoint = torch.load(path, weights_only=True)
    (optimizer,) = checkpoint['optimizer_states']
    assert len(optimizer['state']) == len(optimizer['param_groups'][0]['params']) > 500
    weights = sum(value.numel() for value in checkpoint['state_dict'].values())
    assert 8 * weights * 0.95 < path.stat().st_size < 16 * 2 ** 20
