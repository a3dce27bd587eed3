"""What NNI 3.0 lacks to continue an experiment, on its own channel and engine."""

from __future__ import annotations

import json
import threading
from collections import deque
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers.jobs import Scripted, Space, job, run, simplified
from nni.experiment import rest
from nni.nas.execution import SequentialExecutionEngine, training_service
from nni.nas.strategy import RandomOneShot
from nni.nas.strategy.evolution import Individual
from nni.nas.utils.serializer import TorchSerializer
from nni.runtime.tuner_command_channel import TunerCommandChannel
from nni.runtime.tuner_command_channel.command_type import CommandType, RequestTrialJobs, TrialEnd

from nni_rankreg.host.run.experiment import local_experiment
from nni_rankreg.host.run.parameters import dump_model
from nni_rankreg.host.run.resume import (
    SAFE,
    ResumableChannel,
    adopt,
    finished_trials,
    install_resume,
)
from nni_rankreg.host.run.standalone_job import StandAloneModelSpace
from nni_rankreg.plan import StandAlone
from nni_rankreg.retiarii import RetiariiExperiment
from nni_rankreg.strategy import SPOS, LandmarkSearch

MESSAGES = [('FD', json.dumps([{'parameter': {'x': 1}, 'value': 0.5}])),
            ('AD', json.dumps([{'parameter_id': 4, 'parameters': {'x': 2}}])), ('GE', '2')]


def messages(channel, more=()):
    waiting = deque({'type': kind, 'content': content} for kind, content in [*MESSAGES, *more])
    channel._channel = SimpleNamespace(receive=lambda: waiting.popleft() if waiting else None)
    return channel


@pytest.fixture
def plain(monkeypatch):
    """Have NNI and PyTorch as they are before anything is installed."""
    monkeypatch.setattr(training_service, 'TunerCommandChannel', TunerCommandChannel)
    known = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    yield
    torch.serialization.clear_safe_globals()
    torch.serialization.add_safe_globals(known)


def installed():
    return (training_service.TunerCommandChannel is ResumableChannel
            and set(SAFE) <= set(torch.serialization.get_safe_globals()))


def test_installed_once_or_twice(plain):
    assert not installed()
    for _ in range(2):
        install_resume()
        assert installed()


def test_channel_of_somebody_else_stays(plain, monkeypatch):
    other = type('Other', (TunerCommandChannel,), {})
    monkeypatch.setattr(training_service, 'TunerCommandChannel', other)
    install_resume()
    assert training_service.TunerCommandChannel is other


@pytest.mark.parametrize('make', [
    lambda folder: LandmarkSearch(SPOS(), Scripted(), archive=folder / 'a.sqlite'),
    lambda folder: local_experiment(Space(), Scripted(), RandomOneShot(), folder=folder),
    lambda folder: RetiariiExperiment(Space(), Scripted(), None, RandomOneShot())])
def test_installed_before_an_experiment_makes_its_engine(make, plain, tmp_path, monkeypatch):
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    make(tmp_path)
    assert installed()


def test_messages_of_a_resumed_experiment():
    channel = messages(ResumableChannel('ws://nowhere'))
    assert channel.receive() == RequestTrialJobs(2)
    assert channel.restarted == {4: {'x': 2}} and channel.resumed


def test_channel_that_is_connected():
    first = messages(TunerCommandChannel('ws://nowhere'))
    assert ResumableChannel(first).receive() == RequestTrialJobs(2)


def test_guard_own_channel_of_nni_knows_neither_message():
    channel = messages(TunerCommandChannel('ws://nowhere'))
    for kind in ('ImportData', 'AddCustomizedTrialJob'):
        with pytest.raises(ValueError, match=f'Unknown command type: CommandType.{kind}'):
            channel.receive()
    assert {CommandType.ImportData.value, CommandType.AddCustomizedTrialJob.value} == {'FD', 'AD'}


def restarted(manager, runner, *numbers):
    """Let the engine listen to a channel on which NNI says that it has started trials again."""
    channel = ResumableChannel('ws://nowhere')
    channel.restarted = {40 + number: json.loads(dump_model(runner._model(job(number))))
                         for number in numbers}
    channel.send_trial, channel.disconnect = manager.send_trial, lambda: None
    runner.engine._channel = channel
    manager.trials.extend(channel.restarted)
    return channel


def test_restarted_trials_are_not_submitted_again(manager):
    runner = manager.runner()
    channel = restarted(manager, runner, 3)
    threading.Timer(0.5, manager._run, [43, 3]).start()
    outcomes, _ = run(runner, [job(3), job(5)])
    assert outcomes == [3 / 8, 5 / 8] and manager.trials == [43, 44] and not channel.restarted


def test_restarted_trial_that_has_ended_before_it_is_asked_for():
    channel = ResumableChannel('ws://nowhere')
    end = {'trial_job_id': 'x', 'event': 'SUCCEEDED',
           'hyper_params': json.dumps({'parameter_id': 4, 'parameters': {}})}
    assert messages(channel, [('EN', json.dumps(end))]).receive() == RequestTrialJobs(2)
    assert isinstance(channel.receive(), TrialEnd) and not channel.restarted


def test_only_the_same_job_is_adopted_of_whatever_stage():
    engine = SimpleNamespace(_channel=ResumableChannel('ws://nowhere'), _models={}, _workers=2)
    space = simplified()
    landmark = StandAloneModelSpace.freeze_from(space, job(3))
    engine._channel.restarted = {7: json.loads(dump_model(landmark))}
    assert adopt(engine, StandAloneModelSpace.freeze_from(space, job(4))) is None
    model = StandAloneModelSpace.freeze_from(space, StandAlone(job(3).sample, 'best 1'))
    assert adopt(engine, model) == 7 and engine._models[7]() is model and engine._workers == 1
    assert adopt(engine, model) is None                      # once only
    assert adopt(SequentialExecutionEngine(), model) is None


def test_results_that_nni_knows_are_not_computed_again(manager, monkeypatch):
    """A report names its parameters; the trial it came from may have been listed with others."""
    runner = manager.runner()
    restarted(manager, runner).resumed = True
    described = {number: json.loads(dump_model(runner._model(job(number)))) for number in (3, 6)}
    trials = [{'hyperParameters': [json.dumps({'parameter_id': key, 'parameters': described[one]})]}
              for key, one in ((0, 3), (1, 6))]
    metrics = [{'type': 'FINAL', 'parameterId': '1', 'data': json.dumps('0.25')},
               {'type': 'PERIODICAL', 'parameterId': '0', 'data': json.dumps('0.5')},
               {'type': 'FINAL', 'parameterId': '0', 'data': json.dumps('{"default": 0.75}')}]
    monkeypatch.setattr(rest, 'get', lambda port, api, prefix: {
        '/trial-jobs': trials, '/metric-data': metrics}[api])
    manager.port, manager.url_prefix = 1, None
    assert len(finished_trials(runner.engine)) == 2
    assert run(runner, [job(6), job(1), job(3)])[0] == [0.25, 1 / 8, 0.75]
    assert len(manager.trials) == 1


def test_no_trials_of_before(manager):
    assert finished_trials(manager.engine) == [] == finished_trials(SequentialExecutionEngine())


# The checkpoint of NNI's own strategies

def test_checkpoint_of_evolution_is_read(tmp_path, plain):
    """By weights only, with the classes that it needs, not by unpickling anything."""
    state = {'population': [Individual({'x': '1'}, 0.5)],
             'random_state': np.random.RandomState(0).get_state()}
    install_resume()
    TorchSerializer().save(state, tmp_path / 'state')
    loaded = TorchSerializer().load(tmp_path / 'state')
    assert loaded['population'] == state['population']
    assert (loaded['random_state'][1] == state['random_state'][1]).all()


def test_guard_torch_refuses_the_classes_of_nni(tmp_path, plain):
    torch.save(Individual({}, 0.5), tmp_path / 'state')
    with pytest.raises(Exception, match='Weights only load failed'):
        torch.load(tmp_path / 'state')
