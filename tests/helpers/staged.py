"""A search of stages of stand-alone trainings, as a script of a user: ``staged.py FOLDER PORT``."""

from __future__ import annotations

import functools
import signal
import sys
from pathlib import Path

from nni.experiment import launcher

from nni_rankreg.host.run.experiment import local_experiment
from nni_rankreg.strategy.ledger import Ledger
from nni_rankreg.strategy.multistage import PlanStrategy

from . import quick_trial
from .experiments import PATIENCE
from .jobs import Scripted, Space, job


class Staged(PlanStrategy):
    """Trains the architectures of some numbers, stage by stage."""

    def __init__(self, archive, stages):
        super().__init__(None, archive)
        self.stages = stages

    def supernet_jobs(self):
        return []

    def plan(self, space):
        ledger = Ledger(self.known_results(space))
        for name, numbers in self.stages.items():
            yield from self.train_stand_alone([job(number).sample for number in numbers], ledger,
                                              name)
        return ledger.results


def staged_experiment(folder, stages, **options):
    """Return an experiment whose trials are those of `quick_trial`."""
    experiment = local_experiment(Space(), Scripted(), Staged(folder / 'a.sqlite', stages),
                                  folder=folder / 'nni', **options)
    experiment.config._trial_command_params = {
        'python': f'{sys.executable} -S {quick_trial.__file__}'}
    return experiment


def patient(check):
    """Return NNI's check of its manager without haste: a busy machine may take longer."""
    return functools.partial(check, retry=PATIENCE)


def main(folder, port):
    # A shell that runs tests in the background lets all that they start ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    launcher._check_rest_server = patient(launcher._check_rest_server)
    experiment = staged_experiment(Path(folder), {'first': (1, 2, 3), 'second': (4,)},
                                   concurrency=2)
    experiment.run(int(port))
    print('The search has ended.')
