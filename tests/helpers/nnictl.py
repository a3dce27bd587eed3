"""A search that nnictl handles, with NNI's real manager."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time

import psutil
import requests

from nni_rankreg.archive import Archive
from nni_rankreg.host.run.experiment import free_port

from .experiments import PATIENCE, descendants, write_table

LANDMARKS, TOP, RANDOM, EPOCHS = 4, 1, 1, 2
SEARCH = f"""
space:
  class_path: nni_rankreg.space.NasBench201
  init_args: {{stem_out_channels: 2, num_modules_per_stack: 1, num_labels: 10}}
evaluator:
  class_path: nni_rankreg.table.TableEvaluator
  init_args: {{path: table.csv, delay: 4.}}
strategy:
  class_path: nni_rankreg.strategy.LandmarkSearch
  init_args:
    oneshot:
      class_path: nni_rankreg.strategy.SPOS
      init_args:
        regularizers: [{{class_path: nni_rankreg.regularizer.LandmarkRegularizer}}]
        evolution:
          class_path: nni_rankreg.search.Evolution
          init_args: {{evaluations: 10, population: 5, tournament: 2, progress: false}}
        truth: {{class_path: nni_rankreg.evaluator.digits.digits_truth}}
        scoring: {{class_path: nni_rankreg.supernet.Scoring, init_args: {{batches: 1}}}}
    supernet_evaluator:
      class_path: nni_rankreg.evaluator.digits.digits_evaluator
      init_args: {{epochs: {EPOCHS}, validation_batch: 450}}
    iterations: 1
    landmarks: {{count: {LANDMARKS}, random: {RANDOM}}}
    top: {TOP}
    archive: a.sqlite
"""
EXPERIMENT = """
experimentName: digits
experimentWorkingDirectory: nni
searchSpace: {}
trialCommand: nni-rankreg trial
trialConcurrency: 2
tuner: {name: LandmarkSearch, classArgs: {config: search.yml}}
trainingService: {platform: local}
"""
# NNI gives its manager three seconds to start, which a busy machine may not manage.
NNICTL = f"""
import functools, sys
from nni.experiment import launcher
launcher._check_rest_server = functools.partial(launcher._check_rest_server, retry={PATIENCE})
from nni.tools.nnictl import nnictl
sys.exit(nnictl.parse_args())
"""


class Search:
    """A search in a folder, handled by nnictl."""

    def __init__(self, folder, search=SEARCH, experiment=EXPERIMENT, port=18300):
        self.folder, self.port = folder, free_port(port)
        (folder / 'search.yml').write_text(search)
        (folder / 'experiment.yml').write_text(experiment)
        write_table(folder / 'table.csv')

    def nnictl(self, *words):
        done = subprocess.run([sys.executable, '-W', 'ignore', '-c', NNICTL, *words],
                              cwd=self.folder, check=False, timeout=PATIENCE, text=True,
                              capture_output=True)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout

    def create(self):
        output = self.nnictl('create', '--config', 'experiment.yml', '--port', str(self.port))
        self.id = re.findall(r'nnictl stop (\w+)', output)[0]

    def get(self, api):
        return requests.get(f'http://localhost:{self.port}/api/v1/nni/{api}', timeout=60).json()

    def trials(self, status=None):
        return [one for one in self.get('trial-jobs') if status in (None, one['status'])]

    def finished(self):
        """Return the finished jobs of the archive, which is not there at first."""
        if not (self.folder / 'a.sqlite').exists():
            return []
        return list(Archive(self.folder / 'a.sqlite').jobs().query("status == 'done'")['key'])

    def wait(self, condition):
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline and self.status() != 'ERROR', self.log()
            time.sleep(0.5)

    def status(self):
        return self.get('check-status')['status']

    def log(self):
        return ''.join(path.read_text()[-3000:] for path in
                       (self.folder / 'nni' / self.id / 'log').glob('*.log'))

    def forks(self):
        """Return the warm process of the tuner and its forks."""
        return [one for manager in self.managers() for one in descendants(manager)
                if 'nni_rankreg.host.warm.server' in one.cmdline()]

    def managers(self):
        """Return the manager of this experiment, found by its own folder."""
        return [one for one in psutil.process_iter(['cmdline'])
                if str(self.folder / 'nni') in (one.info['cmdline'] or [])]


def parameters(trial):
    return json.loads(trial['hyperParameters'][0])['parameters']
