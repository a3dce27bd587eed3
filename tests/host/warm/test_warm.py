"""Trials by a warm process, against the same trials by an ordinary Python."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from helpers.places import ROOT
from helpers.warm import serving

from nni_rankreg.host.warm import client

TRIAL = """
import os, random, signal, sys, time
print(__name__, sys.argv[1:], os.environ['TRIAL'], os.getcwd(), 'json' in sys.modules)
print('to the other', file=sys.stderr)
what = sys.argv[1]
if what == 'raise':
    raise ValueError('wrong')
if what == 'text':
    sys.exit('a last word')
if what == 'draw':
    print(random.random())
if what == 'read':
    sys.stdout.flush()
    print(input())
if what == 'exit':
    os._exit(7)
if what.startswith('SIG'):
    os.kill(os.getpid(), getattr(signal, what))
if what == 'sleep':
    import subprocess
    child = subprocess.Popen(['sleep', '300'])
    print(child.pid, flush=True)
    time.sleep(300)
sys.exit(int(what) if what.isdigit() else 0)
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / 'work').mkdir()
    (tmp_path / 'work' / 'trial_module.py').write_text(TRIAL)
    return tmp_path / 'work'


def command(path, *words):
    return [sys.executable, '-S', '-E', client.__file__, str(path), '-m', 'trial_module', *words]


def run(folder, words):
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=60,
                          env={**os.environ, 'TRIAL': 'x7'})
    return done.returncode, done.stdout.replace('True', '').replace('False', ''), done.stderr


@pytest.mark.parametrize('what', ['0', '3', 'raise', 'text', 'exit', 'SIGSEGV', 'SIGTERM'])
def test_output_and_status_are_those_of_an_ordinary_trial(server, folder, what):
    status, printed, errors = run(folder, command(server, what, 'b c'))
    expected = run(folder, [sys.executable, '-m', 'trial_module', what, 'b c'])
    assert (status, printed) == expected[:2]
    assert errors.splitlines()[0] == 'to the other'
    assert errors.splitlines()[-1] == expected[2].splitlines()[-1]


def test_trials_draw_different_numbers(server, folder):
    assert run(folder, command(server, 'draw'))[1] != run(folder, command(server, 'draw'))[1]


def test_without_a_warm_process_it_is_an_ordinary_trial(tmp_path, folder):
    assert run(folder, command(tmp_path / 'none', '3'))[0] == 3


def test_trial_goes_on_when_the_warm_process_has_ended(folder, tmp_path):
    with serving(tmp_path) as path:
        trial = subprocess.Popen(command(path, 'read'), cwd=folder, stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, text=True,
                                 env={**os.environ, 'TRIAL': 'x7'})
        trial.stdout.readline()
    assert trial.communicate('more\n', timeout=60)[0] == 'more\n' and trial.returncode == 0


def test_trial_ends_with_the_manager(server, folder):
    """Which is the parent of its client, and may be killed without a word to its children."""
    patient = f'from {client.__name__} import run; import sys, os; run.__globals__["_PERIOD"] = 0.1'
    call = f'{patient}; sys.exit(run({str(server)!r}, ["trial_module", "sleep"], [os.getcwd()]))'
    manager = ('import subprocess, sys, time; '
               f'subprocess.Popen([sys.executable, "-c", {call!r}]); time.sleep(300)')
    with subprocess.Popen([sys.executable, '-c', manager], cwd=folder, stdout=subprocess.PIPE,
                          env={**os.environ, 'TRIAL': 'x7', 'PYTHONPATH': str(ROOT)},
                          text=True) as parent:
        child = psutil.Process(last_number(parent.stdout))
        processes = [child, child.parent(), *psutil.Process(parent.pid).children()]
        parent.kill()
        _, alive = psutil.wait_procs(processes, timeout=20)
    assert not [one for one in alive if one.status() != psutil.STATUS_ZOMBIE]


def last_number(stream):
    stream.readline()
    return int(stream.readline())


@pytest.mark.parametrize('kill', [signal.SIGTERM, signal.SIGKILL])
def test_all_processes_of_a_killed_trial_end(server, folder, kill):
    with subprocess.Popen(command(server, 'sleep'), cwd=folder, stdout=subprocess.PIPE,
                          env={**os.environ, 'TRIAL': 'x7'}, text=True) as trial:
        child = psutil.Process(last_number(trial.stdout))
        forked = child.parent()
        trial.send_signal(kill)
        _, alive = psutil.wait_procs([child, forked], timeout=20)
    assert not [one for one in alive if one.status() != psutil.STATUS_ZOMBIE]


def test_a_trial_that_is_killed_itself_ends_by_the_signal(server, folder):
    with subprocess.Popen(command(server, 'sleep'), cwd=folder, stdout=subprocess.PIPE,
                          env={**os.environ, 'TRIAL': 'x7'}, text=True) as trial:
        child = psutil.Process(last_number(trial.stdout))
        child.parent().kill()
        assert trial.wait(20) == -signal.SIGKILL
    child.kill()


def test_client_imports_little():
    """As it is what each trial costs."""
    done = subprocess.run([sys.executable, '-S', '-E', '-X', 'importtime', client.__file__,
                           '/nowhere/at/all', '-c', 'print(1)'], capture_output=True, text=True)
    assert done.stdout == '1\n' and 'numpy' not in done.stderr and 'nni' not in done.stderr
    assert Path(client.__file__).parent.name == 'warm'
