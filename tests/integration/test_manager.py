"""NNI's real manager: who reaches it, whose it is, how it ends; with trials that cost nothing."""

from __future__ import annotations

import functools
import json
import logging
import signal
import subprocess
import sys
import time

import psutil
import pytest
import requests
from helpers.experiments import PATIENCE, descendants, kill
from helpers.jobs import job
from helpers.places import ROOT
from helpers.staged import patient, staged_experiment
from nni.experiment import launcher
from nni.nas.experiment import experiment as nni_experiment
from nni.tools.nnictl.config_utils import Experiments

from nni_rankreg.archive import Archive
from nni_rankreg.host.run.experiment import free_port

pytestmark = pytest.mark.manager


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return the folder of a search; what its trials do is in ``trials``."""
    (tmp_path / 'home').mkdir()
    (tmp_path / 'trials').mkdir()
    monkeypatch.setenv('HOME', str(tmp_path / 'home'))
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    monkeypatch.setenv('RANKREG_TRIALS', str(tmp_path / 'trials'))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(launcher, '_check_rest_server', patient(launcher._check_rest_server))
    for module in (nni_experiment, launcher):
        monkeypatch.setattr(module, 'Experiments', functools.partial(Experiments, str(tmp_path)))
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield tmp_path
    for number, handler in handlers.items():
        signal.signal(number, handler)
    kill(one for one in psutil.process_iter() if str(tmp_path) in _words(one))


def _words(process):
    try:
        return ' '.join([*process.cmdline(), process.environ().get('RANKREG_TRIALS', '')])
    except psutil.Error:
        return ''


def wait(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


class Script:
    """The search in a process of its own."""

    def __init__(self, folder, port):
        self.folder, self.port = folder, port
        code = (f'import sys; sys.path.insert(0, {str(ROOT / "tests")!r}); '
                f'from helpers.staged import main; main({str(folder)!r}, {port})')
        with open(folder / 'output', 'a') as output:
            self.child = subprocess.Popen([sys.executable, '-W', 'ignore', '-c', code],
                                          stdout=output, stderr=output)
        self.process = psutil.Process(self.child.pid)

    def below(self, word):
        """Return the processes that it has started, of those with this word."""
        found = []
        for one in descendants(self.process):
            try:
                found += [one] if any(word in part for part in one.cmdline()) else []
            except psutil.Error:
                continue
        return found

    def trials(self):
        return self.below('quick_trial')

    def manager(self):
        wait(lambda: self.below('main.js'))
        return self.below('main.js')[0]

    def results(self):
        path = self.folder / 'a.sqlite'
        return len(Archive(path)) if path.exists() else 0

    def rest(self, method, api, **options):
        answer = requests.request(method, f'http://localhost:{self.port}/api/v1/nni/{api}',
                                  timeout=60, **options)
        answer.raise_for_status()
        return answer

    def end(self, number):
        """Send a signal, and return the exit status once manager and trials are gone."""
        processes = [self.manager(), *self.trials()]
        self.child.send_signal(number)
        status = self.child.wait(PATIENCE)
        _, alive = psutil.wait_procs(processes, 30)
        assert not alive
        return status


def todo(folder, number, **plan):
    (folder / 'trials' / f'{number}.json').write_text(json.dumps(plan))


def test_search_that_is_attacked(folder):
    """Two trials die early and a foreign one is added; killed, started again, interrupted."""
    port = free_port(18600)
    (folder / 'trials' / 'wait').touch()
    todo(folder, 4, takes=600)
    script = Script(folder, port)
    wait(lambda: len(script.trials()) == 2)
    check_privacy(script)
    (folder / 'trials' / 'wait').unlink()
    script.rest('POST', 'trial-jobs', json={'of': 'somebody else'})
    for trial in script.trials():
        trial.kill()                                         # before it has asked
    wait(lambda: script.results() == 3 and script.trials())
    assert script.end(signal.SIGKILL) == -signal.SIGKILL

    again = Script(folder, port)
    wait(again.trials)
    assert again.results() == 3 and again.end(signal.SIGINT) == -signal.SIGINT
    text = (folder / 'output').read_text()
    assert 'The search has ended.' not in text and 'is not idle' not in text
    trained = (folder / 'trials' / 'trained').read_text().split()
    assert sorted(trained) == ['1', '2', '3']                # each once


def check_privacy(script):
    """Only this machine reaches the manager, and trials know nothing of how."""
    manager = script.manager().pid
    listening = [one.laddr.ip for one in psutil.net_connections('tcp')
                 if one.pid == manager and one.status == psutil.CONN_LISTEN]
    assert listening == ['127.0.0.1']
    environment = script.trials()[0].environ()
    assert not environment.get('NODE_OPTIONS') and 'NNI_RANKREG_HOST' not in environment


def test_trials_that_nni_stops(folder, caplog):
    """By an assessor, or after their time: no result. Only the last is tried again."""
    todo(folder, 6, reports=[0.6, 0.6])
    todo(folder, 1, reports=[0.1, 0.1], takes=600)
    todo(folder, 3, takes=600)
    experiment = staged_experiment(folder, {'only': (6, 1, 3)})
    experiment.config.assessor.name = 'Medianstop'
    experiment.config.max_trial_duration = '4s'
    try:
        with caplog.at_level(logging.WARNING, 'nni_rankreg'):
            experiment.run(free_port(18650), wait_completion=False)
        trials = requests.get(f'http://localhost:{experiment.port}/api/v1/nni/trial-jobs',
                              timeout=60).json()
    finally:
        experiment.stop()
    results = Archive(folder / 'a.sqlite').results()
    assert (results.samples, results.metrics) == ([job(6).sample], [6 / 8])
    assert sorted(one['status'] for one in trials) == ['EARLY_STOPPED'] * 3 + ['SUCCEEDED']
    stopped, late = [one for one in caplog.messages if 'left out' in one]
    assert 'Was stopped and is left out' in stopped and 'assessor' in stopped
    assert 'Failed twice and is left out' in late and 'max_trial_duration' in late


def test_failures_tell_how_a_trial_has_ended(folder, caplog):
    """By its exit status, or by the signal that is no mere lack of memory."""
    todo(folder, 2, exits=7)
    todo(folder, 3, signal=signal.SIGSEGV)
    experiment = staged_experiment(folder, {'only': (2, 3, 1)}, concurrency=2)
    with caplog.at_level(logging.WARNING, 'nni_rankreg'):
        experiment.run(free_port(18700))
    experiment.stop()
    exits, crashes = sorted(one for one in caplog.messages if 'left out' in one)
    assert 'Failed twice' in exits and exits.endswith('Its trial has ended with exit status 7.')
    assert 'Failed twice' in crashes and crashes.endswith('It was killed by SIGSEGV.')
    assert (folder / 'trials' / 'trained').read_text().split() == ['1']
