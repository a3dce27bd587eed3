"""A search whose trials run on two machines: NNI's remote training service and two real sshd."""

from __future__ import annotations

import getpass
import os
import platform
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import psutil
import pytest
import requests
from helpers.experiments import kill
from helpers.nnictl import SEARCH, Search, parameters

import nni_rankreg
from nni_rankreg.archive import Archive
from nni_rankreg.host.run.experiment import free_port

LANDMARKS, ITERATIONS = 2, 2
SSHD = shutil.which('sshd', path=f'{os.environ.get("PATH", "")}:/usr/sbin:/usr/local/sbin')
pytestmark = [pytest.mark.manager, pytest.mark.skipif(
    SSHD is None, reason='There is no sshd; on Debian: apt install openssh-server')]

EXPERIMENT = """
experimentWorkingDirectory: nni
trialCodeDirectory: code
searchSpace: {{}}
trialCommand: nni-rankreg trial
trialConcurrency: 2
nniManagerIp: 127.0.0.1
tuner:
  className: nni_rankreg.tuner.LandmarkSearch
  codeDirectory: .
  classArgs: {{config: search.yml}}
trainingService:
  platform: remote
  machineList:
    - &machine
      host: 127.0.0.1
      user: {user}
      port: {ports[0]}
      sshKeyFile: key
      pythonPath: {python}
    - {{<<: *machine, port: {ports[1]}}}
"""
# NNI installs itself on each machine; here it is there, and nothing is downloaded.
CONFIGURATION = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
Subsystem sftp internal-sftp
SetEnv HOME={folder}/home PYTHONPATH={source} OMP_NUM_THREADS=1 PIP_NO_INDEX=1 \
PIP_NO_DEPS={no_deps} PYTHONWARNINGS=ignore
"""


SETTINGS = [('delay: 4.', 'delay: 1.'), ('iterations: 1', f'iterations: {ITERATIONS}'),
            ('count: 4, random: 1', f'count: {LANDMARKS}, random: 0'),
            ('archive: a.sqlite', 'archive: ../a.sqlite\n    work_dir: ../shared')]


class Machines:
    """Two machines that share their files, as if by NFS."""

    def __init__(self, folder):
        self.folder = folder
        for name in ('host', 'key'):
            subprocess.run(['ssh-keygen', '-q', '-t', 'rsa', '-m', 'PEM', '-N', '', '-f',
                            str(folder / name)], check=True)
        (folder / 'home').mkdir()
        first = free_port(18400)
        self.ports = first, free_port(first + 1)
        self.servers = [self._start(port) for port in self.ports]

    def _start(self, port):
        path = self.folder / f'sshd-{port}'
        path.write_text(CONFIGURATION.format(
            port=port, folder=self.folder, source=Path(nni_rankreg.__file__).parents[1],
            no_deps=int(sys.version_info >= (3, 14))))       # see docs/scaling.md
        if os.getuid() == 0:
            Path('/run/sshd').mkdir(exist_ok=True)           # where it gives up its privileges
        return subprocess.Popen([SSHD, '-D', '-f', str(path), '-E', f'{path}.log'])

    def processes(self):
        """Return process -> port of the machine it was started on."""
        found = {}
        for process in psutil.process_iter():
            try:
                connection = process.environ().get('SSH_CONNECTION', '0').split()
            except psutil.Error:
                continue
            if int(connection[-1]) in self.ports:
                found[process] = int(connection[-1])
        return found

    def trials(self):
        """Return (trial, port) of those that run."""
        found = set()
        for process, port in self.processes().items():
            try:
                trial = process.environ().get('NNI_TRIAL_JOB_ID')
            except psutil.Error:
                continue                        # it has ended since
            if trial is not None:
                found.add((trial, port))
        return found

    def stop(self):
        kill([*self.processes(), *map(psutil.Process, (one.pid for one in self.servers))])


@pytest.fixture(scope='module')
def machines(tmp_path_factory):
    machines = Machines(tmp_path_factory.mktemp('machines'))
    try:
        yield machines
    finally:
        machines.stop()


def lose_shared_folder(search):
    """Let the machines not see the folder until the first trial that needs it has failed."""
    shared, away = search.folder / 'shared', search.folder / 'away'
    search.wait(lambda: list(shared.glob('results-*.npz')))     # written for the super-net's trial
    shared.rename(away)
    search.wait(lambda: search.trials('FAILED'))
    failed, = search.trials('FAILED')
    search.error = requests.get(f'http://localhost:{search.port}/api/v1/nni/trial-file/'
                                f'{failed["trialJobId"]}/stderr', timeout=60).text
    away.rename(shared)


@pytest.fixture(scope='module')
def search(machines, tmp_path_factory):
    """Return the search at its end, with the machines that its trials were seen on."""
    folder = machines.folder
    text = SEARCH
    for old, new in SETTINGS:
        assert old in text
        text = text.replace(old, new)
    search = Search(folder, text, EXPERIMENT.format(
        user=getpass.getuser(), ports=machines.ports, python=Path(sys.executable).parent), 18450)
    (folder / 'code').mkdir()
    for name in ('search.yml', 'table.csv'):
        (folder / name).rename(folder / 'code' / name)
    search.seen = set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('HOME', str(folder / 'home'))
        patch.setenv('NNI_CONFIG_DIR', str(folder / 'config'))
        patch.setenv('OMP_NUM_THREADS', '1')
        try:
            search.create()
            lose_shared_folder(search)
            search.wait(lambda: search.seen.update(machines.trials()) or search.status() == 'DONE')
            yield search
        finally:
            kill(search.managers())


def test_whole_search(search):
    archive = Archive(search.folder / 'a.sqlite')
    jobs = archive.jobs()
    assert set(jobs['status']) == {'done'}
    assert len(jobs) == 1 + LANDMARKS + ITERATIONS * (1 + 1)
    assert Counter(one['status'] for one in search.trials()) == {
        'SUCCEEDED': len(jobs) - 1, 'FAILED': 1}


def test_both_machines_have_trials(search, machines):
    assert {port for _, port in search.seen} == set(machines.ports)


def test_machine_that_does_not_see_the_folder(search):
    """Its trial says so, and is tried once more."""
    path = re.escape(f'{search.folder}/shared/results-')
    assert re.search('FileNotFoundError: Expected the stand-alone results of the search at '
                     rf'{path}\w+\.npz on {platform.node()}, got no file\.', search.error)


def test_weights_are_exchanged(search):
    shared = search.folder / 'shared'
    assert sorted(path.name for path in shared.glob('*.pt')) == [
        f'a-supernet-{number}.pt' for number in (1, 2)]
    trials = {parameters(one)['title']: parameters(one) for one in search.trials()
              if 'title' in parameters(one)}
    assert trials['supernet 2']['weights'] == trials['supernet 1']['save'] == str(
        shared / 'a-supernet-1.pt')
