"""The tuner before it has a manager; `tests/integration/test_nnictl.py` has the real one."""

from __future__ import annotations

import inspect
import logging
import subprocess
import sys
from types import SimpleNamespace

import nni.nas.execution
import pytest
import yaml
from nni.experiment import rest
from nni.mutable import Categorical
from nni.nas.execution import training_service
from nni.runtime.msg_dispatcher_base import MsgDispatcherBase
from nni.runtime.tuner_command_channel import TunerCommandChannel

from nni_rankreg.config import ConfigError
from nni_rankreg.host.run.tuner import PlanTuner, readable_space
from nni_rankreg.tuner import AceNAS, LandmarkSearch

URL = 'ws://_unittest_:8123/their/prefix/tuner'              # NNI does not connect to such a host
NODE = {'class_path': 'nni_rankreg.strategy.LandmarkSearch'}
SEARCH = {'space': NODE, 'evaluator': NODE, 'strategy': NODE}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return the trialCodeDirectory of the experiment; the tuner's own directory is another."""
    asked = []

    def get(port, api, prefix):
        asked.append((port, api, prefix))
        return {'params': {'trialCodeDirectory': str(tmp_path)}}

    monkeypatch.setattr(rest, 'get', get)
    (tmp_path / 'search.yml').write_text(yaml.safe_dump(SEARCH))
    yield tmp_path
    assert asked == [(8123, '/experiment', 'their/prefix')]


def test_what_nni_starts(folder):
    found = LandmarkSearch('search.yml', url=URL)
    assert isinstance(found, MsgDispatcherBase)              # NNI calls `run` of such, no other
    assert found._experiment.tuner_command_channel is found._channel


def test_engine_takes_the_channel_that_is_connected(folder, monkeypatch):
    """It would open a second one, which NNI's manager refuses."""
    channels = []

    def engine(experiment):
        channels.append(training_service.TunerCommandChannel(experiment.tuner_command_channel))
        return SimpleNamespace(_channel_listen_thread=SimpleNamespace(join=lambda: None))

    monkeypatch.setattr(training_service, 'TunerCommandChannel', TunerCommandChannel)
    monkeypatch.setattr(nni.nas.execution, 'TrainingServiceExecutionEngine', engine)
    monkeypatch.setattr(PlanTuner, '_search', lambda tuner, engine: None)
    monkeypatch.setattr(sys, 'path', list(sys.path))
    monkeypatch.chdir(folder)
    tuner = LandmarkSearch('search.yml', url=URL)
    tuner.run()
    channel, = channels
    assert channel._channel is tuner._channel._channel


@pytest.mark.parametrize('kind, config, message', [
    (LandmarkSearch, 'none.yml', 'none.yml: Expected a search file'),
    (AceNAS, 'search.yml', 'strategy.class_path: Expected AceNAS, as the tuner is named, got'),
    (PlanTuner, 'foreign.yml', 'space.class_path: Expected a class of'),
])
def test_reason_is_in_the_log(folder, caplog, kind, config, message):
    foreign = {**SEARCH, 'space': {'class_path': 'their.Space'}}
    (folder / 'foreign.yml').write_text(yaml.safe_dump(foreign))
    with caplog.at_level(logging.ERROR), pytest.raises(ConfigError, match=message) as raised:
        kind(config, url=URL)
    assert caplog.messages == [f'Wrong arguments of the tuner: {raised.value}']


def test_trusted_file(folder):
    (folder / 'search.yml').write_text(yaml.safe_dump({**SEARCH, 'space': {
        'class_path': 'their.Space'}}))
    assert PlanTuner('search.yml', trust=True, url=URL)._config['space']['class_path']


def test_arguments_are_those_of_the_configuration():
    assert list(inspect.signature(LandmarkSearch).parameters) == ['config', 'trust', 'url']


def test_space_without_a_form_in_the_web_ui(caplog):
    space = SimpleNamespace(simplify=lambda: {'x': Categorical(['a', 'b'], label='x'),
                                              'y': _NoForm()})
    assert readable_space(space) == {'x': {'_type': 'choice', '_value': ['a', 'b']}}
    assert 'cannot show the choices of y' in caplog.text


class _NoForm:
    def as_legacy_dict(self):
        raise NotImplementedError


@pytest.mark.slow
def test_nothing_heavy_before_it_runs():
    """NNI waits ten seconds for the connection, and PyTorch may take longer on a cold disk."""
    code = ('import sys, nni_rankreg.tuner; '
            'print({"torch", "pytorch_lightning", "nni.nas"} & set(sys.modules))')
    output = subprocess.run([sys.executable, '-W', 'ignore', '-c', code], check=True, text=True,
                            capture_output=True).stdout
    assert output == 'set()\n'
