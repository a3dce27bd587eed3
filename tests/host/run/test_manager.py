"""How NNI's manager is started; `tests/integration/test_manager.py` has the real one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import nni_node
import psutil
import pytest
from nni.experiment import Experiment, launcher
from nni.experiment.experiment import RunMode
from nni.nas.experiment.config import NasExperimentConfig

from nni_rankreg.host.run import manager
from nni_rankreg.host.run.manager import (
    HOST,
    install_manager,
    left_managers,
    stop_left_managers,
)
from nni_rankreg.host.run.node_options import node_options
from nni_rankreg.space import NasBench201
from nni_rankreg.strategy import AceNAS

NODE = Path(nni_node.__file__).with_name('node')


@pytest.fixture
def installed(monkeypatch):
    """Have `install_manager` called, on top of an NNI that starts nothing; return its calls."""
    calls = []

    def start(*arguments):
        variables = {name: os.environ.get(name)
                     for name in (HOST, 'NODE_OPTIONS', 'NNI_RANKREG_SEARCH')}
        calls.append((arguments, variables))
        return 'process'

    monkeypatch.setattr(launcher, 'start_experiment', start)
    monkeypatch.setattr(manager, '_start_experiment', start)
    monkeypatch.setattr(Experiment, '_run_impl', manager._run_impl)
    monkeypatch.setattr(manager, '_stop_on_signals', lambda: None)
    monkeypatch.setattr(manager, 'left_managers', lambda folder: [])
    for _ in range(2):
        install_manager()
    return calls


def start(platform='local', mode=RunMode.Background):
    config = SimpleNamespace(training_service=SimpleNamespace(platform=platform),
                             experiment_working_directory='/nowhere')
    return launcher.start_experiment('create', 'id', config, 8080, False, mode, None, 'ws://')


def test_started_as_nni_does(installed, monkeypatch):
    monkeypatch.setenv('NODE_OPTIONS', '--no-warnings')
    monkeypatch.delenv(HOST, raising=False)
    assert start() == 'process'
    ((action, *_, url), variables), = installed
    assert (action, url) == ('create', 'ws://')
    assert variables == {HOST: '127.0.0.1', 'NNI_RANKREG_SEARCH': str(os.getpid()),
                         'NODE_OPTIONS': f'--no-warnings {node_options()}'}
    assert os.environ['NODE_OPTIONS'] == '--no-warnings' and HOST not in os.environ


def test_detached_manager_stays(installed):
    start(mode=RunMode.Detach)
    assert installed[0][1]['NNI_RANKREG_SEARCH'] is None


@pytest.mark.parametrize('platform, said, host, warning', [
    ('local', None, '127.0.0.1', None), ('local', '::1', '::1', None),
    ('local', '0.0.0.0', '0.0.0.0', 'whoever reaches it can run code here. Let nobody else'),
    ('remote', None, '0.0.0.0', 'training service remote have to: let their machines alone'),
    ('remote', '10.0.0.1', '10.0.0.1', 'on 10.0.0.1, port 8080'),
    ('remote', '127.0.0.1', '127.0.0.1', None)])
def test_address(installed, monkeypatch, caplog, platform, said, host, warning):
    monkeypatch.delenv(HOST, raising=False)
    if said is not None:
        monkeypatch.setenv(HOST, said)
    start(platform)
    assert installed[0][1][HOST] == host
    assert (warning or '') in caplog.text and bool(caplog.records) == bool(warning)


@pytest.mark.parametrize('given, mode, python', [
    (None, RunMode.Background, 'warm python'), (None, RunMode.Detach, sys.executable),
    ({'python': 'python3'}, RunMode.Background, 'python3')])
def test_trials_on_this_machine_are_forks(installed, monkeypatch, tmp_path, given, mode, python):
    """The manager runs the command of the training service that it is sent."""
    monkeypatch.setattr(manager, 'warm_python', lambda: 'warm python')
    config = NasExperimentConfig.default(NasBench201(2, 1), None,
                                         AceNAS(archive=tmp_path / 'a.sqlite'))
    config._trial_command_params = given
    launcher.start_experiment('create', 'id', config.canonical_copy(), 8080, False, mode)
    (_, _, sent, *_), _ = installed[0]
    command = f'{python} -m nni.nas.execution.training_service trial'
    assert sent.json()['trainingService']['trialCommand'] == command
    assert sent.json()['trialCommand'] == command
    assert config._trial_command_params is given, 'compared when the experiment is resumed'


# Ctrl-C and other signals

def interrupted(*_):
    raise KeyboardInterrupt


def test_interrupt_ends_the_script(installed, monkeypatch):
    stopped = []
    monkeypatch.setattr(Experiment, 'start', interrupted)
    monkeypatch.setattr(Experiment, 'stop', lambda *them: stopped.extend(them))
    experiment = Experiment(None)
    with pytest.raises(KeyboardInterrupt):
        experiment.run()
    assert stopped == [experiment]


def test_guard_nni_goes_on_after_an_interrupt(monkeypatch):
    monkeypatch.setattr(Experiment, 'start', interrupted)
    monkeypatch.setattr(Experiment, 'stop', lambda self: None)
    assert manager._run_impl(Experiment(None), 8080, True, False) is None


@pytest.mark.slow
@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGHUP])
def test_signal_ends_the_script_in_order(number):
    """NNI stops its experiments at exit; a forked process dies as ever."""
    code = f"""
import atexit, os, time
from nni_rankreg.host.run.manager import _stop_on_signals
_stop_on_signals()
child = os.fork()
if not child:
    os.kill(os.getpid(), {number})
    time.sleep(60)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
atexit.register(print, 'stopped')
os.kill(os.getpid(), {number})
time.sleep(60)
"""
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', code], check=False, text=True,
                          capture_output=True, timeout=300)
    assert (done.returncode, done.stdout) == (128 + number, f'-{number:d}\nstopped\n')


# Managers that an earlier start has left

@pytest.fixture
def processes(tmp_path):
    """Start processes that look like managers of a folder, of some search."""
    children = []

    def make(search, folder=tmp_path):
        children.append(subprocess.Popen(
            [sys.executable, '-S', '-c', 'import time; print(flush=True); time.sleep(600)',
             '--experiments-directory', str(folder)],
            env={**os.environ, 'NNI_RANKREG_SEARCH': str(search)}, stdout=subprocess.PIPE))
        children[-1].stdout.readline()
        return children[-1]

    yield make
    for child in children:
        child.kill()
        child.communicate()


def test_left_managers_are_stopped(processes, tmp_path, caplog):
    left, alive = processes(2 ** 22 + 1), processes(os.getpid())
    other = processes(2 ** 22 + 1, tmp_path / 'other')
    assert [one.pid for one in left_managers(tmp_path)] == [left.pid]
    stop_left_managers(tmp_path)
    assert not psutil.pid_exists(left.pid) and alive.poll() is other.poll() is None
    assert f'Stopping the NNI manager {left.pid}, which an earlier start has left' in caplog.text


# What Node reads

SERVER = """
const server = require('http').createServer().listen(%s, () => {
    console.log(JSON.stringify([server.address().address, process.env]));
    if (process.argv[1] !== 'stay') server.close();
});
"""


def node(*arguments, code=SERVER % '0', **variables):
    return subprocess.Popen([NODE, '-e', code, *arguments], stdout=subprocess.PIPE, text=True,
                            env={**os.environ, 'NODE_OPTIONS': f'--no-warnings {node_options()}',
                                 **variables})


@pytest.mark.parametrize('listen', ['0', '{port: 0}', '0, undefined'])
@pytest.mark.parametrize('variables, address', [
    ({}, '127.0.0.1'), ({HOST: '127.0.0.2'}, '127.0.0.2'), ({HOST: '0.0.0.0'}, '0.0.0.0')])
def test_server_listens_where_it_should(listen, variables, address):
    output, _ = node(code=SERVER % listen, **variables).communicate(timeout=60)
    found, environment = json.loads(output)
    assert found == address
    assert environment['NODE_OPTIONS'].strip() == '--no-warnings' and HOST not in environment


@pytest.mark.parametrize('mode, address', [('local', '127.0.0.1'), ('remote', '0.0.0.0')])
def test_machines_of_other_training_services_reach_it(mode, address):
    output, _ = node('--', '--mode', mode).communicate(timeout=60)
    assert json.loads(output)[0] == address


def test_guard_servers_listen_everywhere():
    output = subprocess.run([NODE, '-e', SERVER % '0'], check=True, text=True, timeout=60,
                            capture_output=True).stdout
    assert json.loads(output)[0] in ('::', '0.0.0.0')


@pytest.mark.slow
def test_manager_ends_with_its_search():
    left = node('stay', NNI_RANKREG_SEARCH='1')
    mine = node('stay', NNI_RANKREG_SEARCH=str(os.getpid()))
    try:
        assert left.wait(60) == -signal.SIGTERM
        time.sleep(1.5)
        assert mine.poll() is None
    finally:
        for one in (left, mine):
            one.kill()
            one.communicate()
