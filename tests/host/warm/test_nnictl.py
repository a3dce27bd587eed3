"""Trials of nnictl, against the same trials that find no warm process."""

from __future__ import annotations

import http.server
import os
import subprocess
import sys
import threading

import pytest

from nni_rankreg.host.warm import nnictl

PYTHON = sys.executable
LOCAL = {'trainingService': {'platform': 'local'}, 'trialCommand': 'nni-rankreg trial'}
SCRIPT = 'import sys; from nni_rankreg.cli import main; sys.exit(main())'


@pytest.fixture
def experiment(tmp_path, monkeypatch):
    """Return the folder of an experiment, with the variables of its tuner and of one trial."""
    folder = tmp_path / 'experiment'
    output = folder / 'environments' / 'local-env' / 'trials' / 'tRiAl'
    output.mkdir(parents=True)
    programs = tmp_path / 'bin'
    programs.mkdir()
    (programs / 'nni-rankreg').touch(mode=0o755)
    monkeypatch.setenv('PATH', str(programs))
    monkeypatch.setattr(sys, 'executable', str(programs / 'python'))
    monkeypatch.setenv('NNI_LOG_DIRECTORY', str(folder / 'log'))
    monkeypatch.setenv('NNI_PLATFORM', 'local')
    monkeypatch.setenv('NNI_OUTPUT_DIR', str(output))
    monkeypatch.setattr(nnictl, 'warm_process', lambda: 'the socket')
    return folder


def test_offer_takes_the_place_of_an_earlier_one(experiment, monkeypatch):
    nnictl.offer_warm_process(LOCAL)
    monkeypatch.setattr(nnictl, 'warm_process', lambda: 'another')
    nnictl.offer_warm_process(LOCAL)
    link, = (one for one in experiment.iterdir() if one.is_symlink())
    assert os.readlink(link) == 'another'


@pytest.mark.parametrize('change', [
    {'trainingService': {'platform': 'remote'}},
    {'trainingService': [{'platform': 'local'}, {'platform': 'remote'}]},
    {'trialCommand': 'OMP_NUM_THREADS=4 nni-rankreg trial'},
    {'trialCommand': 'nni-rankreg trial --config oneshot.yml'},
    {'trialCommand': 'taskset -c 0 nni-rankreg trial'},
])
def test_nothing_is_offered_to_trials_that_are_not_like_the_tuner(experiment, change):
    nnictl.offer_warm_process({**LOCAL, **change})
    assert not any(one.is_symlink() for one in experiment.iterdir())


def test_nothing_is_offered_to_trials_of_another_environment(experiment, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, 'executable', str(tmp_path / 'python'))
    nnictl.offer_warm_process(LOCAL)
    assert not any(one.is_symlink() for one in experiment.iterdir())


@pytest.mark.parametrize('words, variables', [
    (['trial', '--config', 'a.yml'], {}), (['check', 'a.yml'], {}),
    (['trial'], {'NNI_PLATFORM': 'remote'}), (['trial'], {'NNI_PLATFORM': None}),
    (['trial'], {'NNI_OUTPUT_DIR': None}), (['trial'], {'NNI_OUTPUT_DIR': 'a/b'}),
    (['trial'], {}),                                         # there is a link, but no process
])
def test_whatever_finds_no_warm_process_starts_as_any_other(experiment, monkeypatch, words,
                                                            variables):
    nnictl.offer_warm_process(LOCAL)
    for name, value in variables.items():
        if value is None:
            monkeypatch.delenv(name)
        else:
            monkeypatch.setenv(name, value)
    assert nnictl.run_warm(words) is None


class NoParameters(http.server.BaseHTTPRequestHandler):
    """NNI's manager, towards a trial that it has no parameters for."""

    def do_PUT(self):
        self._answer(200)

    def do_GET(self):
        self._answer(410)

    def _answer(self, status):
        self.send_response(status)
        self.end_headers()

    def log_message(self, *words):
        pass


@pytest.fixture
def channel(monkeypatch):
    with http.server.ThreadingHTTPServer(('localhost', 0), NoParameters) as manager:
        threading.Thread(target=manager.serve_forever, daemon=True).start()
        monkeypatch.setenv('NNI_TRIAL_COMMAND_CHANNEL', f'http://localhost:{manager.server_port}')
        yield
        manager.shutdown()


@pytest.mark.slow
def test_trial_ends_as_a_cold_one(server, experiment, channel, monkeypatch):
    """It imports nothing that takes time itself."""
    cold = run_trial()
    monkeypatch.setattr(nnictl, 'warm_process', lambda: str(server))
    nnictl.offer_warm_process(LOCAL)
    warm = run_trial()
    assert cold.returncode == warm.returncode == 2
    message, = words(warm)
    assert message == words(cold)[-1] and 'Expected a search file' in message
    assert 'jsonargparse' in imports(warm)
    assert 'torch' in imports(cold) - imports(warm)


def run_trial():
    return subprocess.run([PYTHON, '-X', 'importtime', '-c', SCRIPT, 'trial'],
                          capture_output=True, text=True, timeout=300)


def words(trial):
    return [one for one in trial.stderr.splitlines() if not one.startswith('import time:')]


def imports(trial):
    return {one.rpartition('|')[2].strip() for one in trial.stderr.splitlines()
            if one.startswith('import time:')}
