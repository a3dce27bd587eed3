"""What an evaluator sees of the trial that a super-net is trained in."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import nni
import numpy as np
import psutil
import pytest
from helpers.jobs import OneShot, Scripted, job, simplified
from helpers.places import ROOT
from nni.nas.evaluator.pytorch import ClassificationModule
from nni.nas.execution import SequentialExecutionEngine
from nni.nas.space import RawFormatModelSpace
from nni.nas.strategy import RandomOneShot
from nni.runtime.env_vars import trial_env_vars
from nni.runtime.trial_command_channel import (
    TrialCommandChannel,
    get_default_trial_command_channel,
    set_default_trial_command_channel,
)
from pytorch_lightning.utilities import rank_zero_only

from nni_rankreg.host.run.standalone_job import StandAloneModelSpace
from nni_rankreg.host.run.supernet_job import SuperNetModelSpace
from nni_rankreg.host.trial import end_with_manager, outside_trial, reporting_also
from nni_rankreg.plan import SuperNet
from nni_rankreg.search import Evolution
from nni_rankreg.strategy import SPOS
from nni_rankreg.typing import Results


@pytest.fixture
def trial(monkeypatch):
    """Be in a trial, and return the results that it reports."""
    reports = {'intermediate': [], 'final': []}
    for kind, values in reports.items():
        monkeypatch.setattr(nni, f'report_{kind}_result', values.append)
    monkeypatch.setattr(nni.trial, '_params', {'parameters': {'x': 1}, 'parameter_id': 3})
    return reports


def test_no_trial_inside_and_the_same_one_after(trial):
    before = nni.trial._params
    with outside_trial():
        assert nni.get_current_parameter() is None
        with outside_trial():
            pass
        assert nni.get_current_parameter() is None
    assert nni.trial._params is before and nni.get_current_parameter() == {'x': 1}


def test_the_trial_is_restored_after_an_error(trial):
    with pytest.raises(KeyError), outside_trial():
        raise KeyError
    assert nni.get_current_parameter() == {'x': 1}


def test_evaluators_report_nothing_inside(trial, monkeypatch):
    module = ClassificationModule(num_classes=10)
    monkeypatch.setattr(module, '_get_result_for_report', lambda: 0.5)
    with outside_trial():
        module._final_report()
    assert trial['final'] == []
    module._final_report()  # guard: NNI still asks get_current_parameter()
    assert trial['final'] == [0.5]


def test_what_is_reported_inside_goes_nowhere(channel, monkeypatch):
    """Modules as in NNI's documentation report without asking whether there is a trial."""
    monkeypatch.setattr(nni.trial, 'trial_env_vars', trial_env_vars._replace(NNI_PLATFORM='local'))
    monkeypatch.setattr(nni.trial, '_params', {'parameters': {'x': 1}, 'parameter_id': 3})
    nni.report_intermediate_result(0.1)
    with outside_trial():
        nni.report_intermediate_result(0.5)
        nni.report_final_result(0.5)
    nni.report_intermediate_result(0.2)
    assert [value for *_, value in channel.sent] == [0.1, 0.2]
    numbers = [sequence for _, sequence, _ in channel.sent]
    assert numbers[1] == numbers[0] + 1


@pytest.mark.slow
@pytest.mark.parametrize('strategy, finals, intermediates', [
    (RandomOneShot(), 1, 0),  # guard: the result of the architecture that was drawn last
    (SPOS(evolution=Evolution(2, 2, 1, progress=False)), 0, 2),
])
def test_reports_of_a_supernet_training(strategy, finals, intermediates, trial, make_space,
                                        make_evaluator, monkeypatch):
    model = strategy.initialize(RawFormatModelSpace(make_space(), make_evaluator(max_epochs=2)),
                                SequentialExecutionEngine())
    model.execute()
    assert len(trial['final']) == finals
    assert len(trial['intermediate']) == intermediates
    assert nni.get_current_parameter() == {'x': 1}


class Channel(TrialCommandChannel):
    """Keeps what would be sent to the manager."""

    def __init__(self):
        self.sent = []

    def send_metric(self, type, parameter_id, trial_job_id, sequence, value):
        self.sent.append((type, sequence, value))


@pytest.fixture
def channel():
    before, channel = get_default_trial_command_channel(), Channel()
    set_default_trial_command_channel(channel)
    yield channel
    set_default_trial_command_channel(before)


@pytest.mark.parametrize('reported, expected', [
    (0.5, {'default': 0.5, 'predicted': 0.9}),
    (np.float32(0.5), {'default': 0.5, 'predicted': 0.9}),
    ({'default': 0.5, 'loss': 2}, {'default': 0.5, 'loss': 2, 'predicted': 0.9}),
    ({'default': 0.5, 'predicted': 2}, {'default': 0.5, 'predicted': 2}),
    ('no number', 'no number')])
def test_final_results_have_more_numbers_inside(channel, reported, expected):
    with reporting_also({'predicted': 0.9}):
        nni.report_intermediate_result(0.1)
        nni.report_final_result(reported)
    nni.report_final_result(0.6)
    assert [value for *_, value in channel.sent] == [0.1, expected, 0.6]
    assert [kind for kind, *_ in channel.sent] == ['PERIODICAL', 'FINAL', 'FINAL']


def test_what_was_expected_of_a_trial_is_among_its_metrics(channel, monkeypatch):
    monkeypatch.setattr(nni.trial, '_params', {'parameters': {'x': 1}, 'parameter_id': 3})
    expected = {'predicted': 0.9, 'prospective_tau': 0.4}
    monkeypatch.setattr(Scripted, '_execute', reporting)
    model = StandAloneModelSpace.freeze_from(simplified(), replace(job(3), expected=expected))
    travelled = nni.load(nni.dump(model))
    assert travelled.expected == expected and travelled.stage == job(3).stage
    travelled.execute()
    assert channel.sent == [('FINAL', 0, {'default': 0.5, **expected})]


@pytest.mark.parametrize('rank', [0, 1])
def test_of_several_processes_the_first_reports(trial, tmp_path, monkeypatch, rank):
    """Lightning runs a trial that asks for more devices once for each of them."""
    monkeypatch.setattr(rank_zero_only, 'rank', rank)
    file = tmp_path / 'weights.pt'
    supernet = SuperNet(OneShot(), Results([], []), 1, save=str(file))
    monkeypatch.setattr(Scripted, '_execute', reporting)
    for model in (StandAloneModelSpace.freeze_from(simplified(), job(3)),
                  SuperNetModelSpace(simplified().model, Scripted(), supernet, 'results')):
        model.execute()
    assert len(trial['final']) == (0 if rank else 2) and file.exists() == (rank == 0)


@pytest.mark.slow
def test_other_processes_find_the_parameters(tmp_path, monkeypatch):
    """The manager would not answer them."""
    model = StandAloneModelSpace.freeze_from(simplified(Devices(2)), job(3))
    monkeypatch.setattr(nni.trial, '_params', {'parameters': model, 'parameter_id': 3})
    for name, value in dict(NNI_TRIAL_COMMAND_CHANNEL='http://localhost:1/env',
                            NNI_PLATFORM='local', NNI_SYS_DIR=tmp_path,
                            NNI_OUTPUT_DIR=tmp_path, NNI_TRIAL_JOB_ID='x',
                            PYTHONPATH=os.pathsep.join([str(ROOT), *sys.path])).items():
        monkeypatch.setenv(name, str(value))
    model.execute()
    code = (f'import sys, nni, {__name__}; '
            'print(nni.get_next_parameter().sample, file=sys.__stdout__)')
    output = subprocess.run([sys.executable, '-W', 'ignore', '-c', code], check=True, text=True,
                            capture_output=True, timeout=600).stdout
    assert output == f'{model.sample}\n'


@nni.trace
class Devices(Scripted):
    """An evaluator with a trainer that asks for more devices."""

    def __init__(self, world_size):
        super().__init__()
        self.trainer = SimpleNamespace(world_size=world_size)


def reporting(evaluator, model):
    """Report in a trial only, as NNI's own evaluators do."""
    if nni.get_current_parameter() is not None:
        nni.report_final_result(0.5)


@pytest.mark.slow
def test_trial_ends_with_its_manager(tmp_path):
    """The process in between is the manager of the trial, and is killed."""
    trial = f"""
import os, time
from nni_rankreg.host import trial
trial._PERIOD = 0.1
trial.end_with_manager()
trial.end_with_manager()
with open({str(tmp_path / 'pid')!r}, 'w') as file:
    file.write(f'{{os.getpid()}}\\n')
time.sleep(600)
"""
    manager = f"""
import subprocess, sys
subprocess.run([sys.executable, '-W', 'ignore', '-c', {trial!r}])
"""
    process = subprocess.Popen([sys.executable, '-c', manager], env={
        **os.environ, 'NNI_TRIAL_JOB_ID': 'x', 'NNI_PLATFORM': 'unittest',
        'NNI_TRIAL_COMMAND_CHANNEL': 'http://localhost:1/env'})
    deadline = time.monotonic() + 300
    while not (tmp_path / 'pid').exists() or not (tmp_path / 'pid').read_text().endswith('\n'):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    one = psutil.Process(int((tmp_path / 'pid').read_text()))
    time.sleep(0.5)
    assert one.is_running()
    process.kill()
    process.wait()
    psutil.wait_procs([one], timeout=60)
    assert not one.is_running() or one.status() == psutil.STATUS_ZOMBIE


def test_no_trial_has_no_manager(monkeypatch):
    monkeypatch.setattr(threading, 'Thread', pytest.fail)
    end_with_manager.__wrapped__()
