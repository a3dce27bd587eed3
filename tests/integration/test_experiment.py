"""A search through the real NNI manager: its trials, its REST API, a failing trial, a kill -9."""

from __future__ import annotations

import functools
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections import Counter

import psutil
import pytest
import requests
from helpers.experiments import PATIENCE, descendants, kill, space, write_table
from helpers.places import ROOT
from nni.experiment import launcher
from nni.nas.execution import SequentialExecutionEngine
from nni.nas.experiment import experiment as nni_experiment
from nni.nas.space import SimplifiedModelSpace
from nni.tools.nnictl.config_utils import Experiments
from scipy.stats import kendalltau

from nni_rankreg.archive import Archive
from nni_rankreg.data import Digits, image_loader
from nni_rankreg.evaluator import Classification
from nni_rankreg.host.run.engine import EngineRunner
from nni_rankreg.host.run.experiment import free_port, local_experiment
from nni_rankreg.host.run.results_file import read_results_file
from nni_rankreg.plan import SearchError, StandAlone
from nni_rankreg.regularizer import LandmarkRegularizer
from nni_rankreg.sampler import LandmarkSampler
from nni_rankreg.search import Evolution
from nni_rankreg.strategy import SPOS, Landmarks, LandmarkSearch
from nni_rankreg.table import TableEvaluator, TabularBenchmark
from nni_rankreg.typing import sample_key

pytestmark = pytest.mark.manager
LANDMARKS, TOP, EPOCHS, SEED = 2, 2, 2, 1


def landmarks(count=LANDMARKS):
    return LandmarkSampler(space(), seed=SEED).sample(count)


def make_search(folder):
    evaluator = Classification(
        image_loader(Digits('train'), 150, shuffle=True), image_loader(Digits('validation'), 450),
        num_classes=10, max_epochs=EPOCHS, enable_progress_bar=False, accelerator='cpu')
    oneshot = SPOS(regularizers=[LandmarkRegularizer(weight=10.)],
                   evolution=Evolution(5, 10, 2, progress=False))
    return LandmarkSearch(
        oneshot, evaluator, iterations=1, landmarks=Landmarks(LANDMARKS, random=0), top=TOP,
        archive=folder / 'a.sqlite', seed=SEED)


def run_search(folder):
    """Run the search in `folder` through an NNI manager, two trials at a time."""
    os.chdir(folder)                                         # NNI's trials run where it was started
    search, evaluator = make_search(folder), TableEvaluator(str(folder / 'table.csv'))
    experiment = local_experiment(space(), evaluator, search, folder=folder / 'nni', concurrency=2)
    with pytest.MonkeyPatch.context() as patch:
        # NNI gives its manager three seconds to start, which a busy machine may not manage.
        patch.setattr(launcher, '_check_rest_server',
                      functools.partial(launcher._check_rest_server, retry=PATIENCE))
        experiment.run(free_port(18080))
    return experiment


@pytest.fixture(scope='module')
def home(tmp_path_factory):
    """Make all processes compute alike, and keep NNI out of the home directory."""
    home = tmp_path_factory.mktemp('home')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('HOME', str(home))
        patch.setenv('OMP_NUM_THREADS', '1')
        patch.chdir(home)                                    # and back, in the end
        for module in (nni_experiment, launcher):
            patch.setattr(module, 'Experiments', functools.partial(Experiments, str(home)))
        yield home


class Run:
    """A finished search whose first trial of one landmark fails, and what NNI knows of it."""

    def __init__(self, folder):
        self.folder, self.warnings = folder, []
        self.failing = landmarks()[1]
        write_table(folder / 'table.csv', without=[self.failing])
        handler = logging.Handler(logging.WARNING)
        handler.emit = lambda record: self.warnings.append(record.getMessage())
        logger = logging.getLogger('nni_rankreg')
        logger.addHandler(handler)
        try:
            self.experiment = run_search(folder)
        finally:
            logger.removeHandler(handler)
        self.search, self.archive = self.experiment.strategy, Archive(folder / 'a.sqlite')
        self.manager = psutil.Process(self.experiment._proc.pid)

    def get(self, api):
        return requests.get(f'http://localhost:{self.experiment.port}/api/v1/nni/{api}',
                            timeout=60).json()

    @functools.cached_property
    def trials(self):
        return self.get('trial-jobs')

    @functools.cached_property
    def metrics(self):
        """Return (type, parameter id, value) of all reports, in their order."""
        return [(one['type'], int(one['parameterId']), json.loads(json.loads(one['data'])))
                for one in sorted(self.get('metric-data'), key=lambda one: one['timestamp'])]

    def parameters(self):
        """Return parameter id -> parameters."""
        return {one['parameter_id']: one['parameters'] for trial in self.trials
                for one in map(json.loads, trial['hyperParameters'])}

    def supernet_id(self):
        key, = [key for key, one in self.parameters().items() if 'oneshot' in one]
        return key

    def runner(self):
        model_space = SimplifiedModelSpace.from_model(space(), self.experiment.evaluator)
        return EngineRunner(self.search.engine, model_space, None, self.folder)


@pytest.fixture(scope='module')
def run(home, tmp_path_factory):
    run = Run(tmp_path_factory.mktemp('search'))
    processes = [run.manager, *descendants(run.manager)]
    try:
        yield run
    finally:
        run.experiment.stop()
        kill(processes)


# What the search has found

def test_best_architectures_with_their_metrics(run):
    models = run.experiment.export_top_models(10)
    results = run.archive.results()
    assert len(models) == LANDMARKS + TOP
    assert [model.metric for model in models] == sorted(results.metrics, reverse=True)
    table = TabularBenchmark.from_csv(run.folder / 'table.csv')
    assert table([model.sample for model in models]).tolist() == pytest.approx(
        [model.metric for model in models], abs=1e-12)
    best = run.search.supernets[0].best
    assert landmarks()[0] in results.samples[:LANDMARKS] and run.failing not in results.samples
    assert sorted(map(sample_key, results.samples[-TOP:])) == sorted(map(sample_key, best[:TOP]))


def test_every_file_is_in_its_folder(run, home):
    results, = run.folder.glob('results-*.npz')              # that the super-net was trained with
    files = {path.name for path in run.folder.iterdir()}
    assert files == {'table.csv', 'a.sqlite', 'a-supernet-1.pt', 'nni', results.name}
    assert (run.folder / 'nni' / run.experiment.id / 'log' / 'nnimanager.log').exists()
    assert {path.name for path in home.iterdir()} <= {'.experiment', '.experiment.lock',
                                                      'nni-experiments', '.cache', '.config'}


# What NNI knows

def test_trials(run):
    """The landmark that fails is tried twice and replaced; all others succeed at once."""
    states = Counter(trial['status'] for trial in run.trials)
    assert states == {'FAILED': 2, 'SUCCEEDED': LANDMARKS + 1 + TOP}
    finals = [key for kind, key, _ in run.metrics if kind == 'FINAL']
    assert len(finals) == len(set(finals)) == LANDMARKS + 1 + TOP


def test_parameters_of_trials(run):
    parameters = run.parameters()
    assert len(parameters) == 2 + LANDMARKS + 1 + TOP
    samples = Counter(sample_key(one['sample']) for one in parameters.values() if 'sample' in one)
    tried = Counter(map(sample_key, [*run.archive.results().samples, *[run.failing] * 2]))
    assert samples == tried
    supernet = parameters[run.supernet_id()]
    assert supernet['title'] == 'supernet 1' and supernet['top'] == TOP + 1    # one has failed
    given = read_results_file(supernet['results'])
    assert given.samples == run.archive.results().samples[:LANDMARKS]
    assert given.metrics == pytest.approx(run.archive.results().metrics[:LANDMARKS])
    assert supernet['save'] == str(run.folder / 'a-supernet-1.pt')


def test_metrics_of_the_supernet(run):
    key, outcome = run.supernet_id(), run.search.supernets[0]
    reports = [value for kind, one, value in run.metrics if (kind, one) == ('PERIODICAL', key)]
    assert [one['epoch'] for one in reports] == list(range(EPOCHS)) and reports == outcome.history
    final, = [value for kind, one, value in run.metrics if (kind, one) == ('FINAL', key)]
    for report in (*reports, final):
        assert report['default'] == report['kendall_tau_landmarks']
        assert {'val_loss', 'val_acc'} <= report.keys()
    assert final['default'] == pytest.approx(
        kendalltau(outcome.measured['scores'], outcome.measured['metrics'])[0])
    assert final['outcome']['best'] == outcome.best
    assert final['outcome']['weights'] == outcome.weights == str(run.folder / 'a-supernet-1.pt')


def test_metrics_of_stand_alone_trials(run):
    finals = {key: value for kind, key, value in run.metrics if kind == 'FINAL'}
    parameters = run.parameters()
    found = {sample_key(parameters[key]['sample']): value for key, value in finals.items()
             if key != run.supernet_id()}
    results = run.archive.results()
    assert found == pytest.approx(dict(zip(map(sample_key, results.samples), results.metrics)))


def test_text_of_a_failing_trial_reaches_the_warning(run):
    failed, replaced = run.warnings
    assert sample_key(run.failing) in failed and 'Failed twice and is left out' in failed
    assert 'UnknownArchitectureError:' in failed and 'Expected an architecture of the' in failed
    assert replaced == 'Replacing 1 landmarks that failed by 1 others.'


# What else may happen; the first of these ends the budget, the last the manager

def test_max_trial_number_is_too_small(run):
    run.experiment.update_max_trial_number(len(run.get('trial-jobs')) + 1)
    jobs, done = [StandAlone(sample) for sample in landmarks()[:1] * 3], {}
    with pytest.raises(SearchError, match='budget for 2 more trials, got none: .*max_trial_number'):
        run.runner().run(jobs, done.__setitem__)
    assert list(done.values()) == [run.archive.metric(landmarks()[0])]


@pytest.mark.filterwarnings('ignore::pytest.PytestUnhandledThreadExceptionWarning')
def test_manager_is_gone(run):
    kill([run.manager])
    with pytest.raises(SearchError, match='the NNI manager to answer, got: .*the same archive'):
        run.runner().run([StandAlone(landmarks()[0])], pytest.fail)


# Kill -9

def uninterrupted(folder):
    """Return all results, best first, of the search in this process."""
    search = make_search(folder)
    model_space = SimplifiedModelSpace.from_model(
        space(), TableEvaluator(str(folder / 'table.csv')))
    search(model_space, SequentialExecutionEngine())
    return [(model.sample, model.metric) for model in search.list_models()]


def search_until(folder, results):
    """Search in a process of its own, and kill it as soon as so many results are recorded."""
    code = f'import pathlib, {__name__} as tests; tests.run_search(pathlib.Path({str(folder)!r}))'
    path = os.pathsep.join([str(ROOT), str(ROOT / 'tests'),
                            *filter(None, [os.environ.get('PYTHONPATH')])])
    with open(folder / 'output', 'w') as output:
        child = subprocess.Popen([sys.executable, '-c', code], stdout=output, stderr=output,
                                 env={**os.environ, 'PYTHONPATH': path})
    process = psutil.Process(child.pid)
    try:
        deadline = time.monotonic() + PATIENCE
        while finished(folder) < results:
            assert child.poll() is None and time.monotonic() < deadline, (
                (folder / 'output').read_text())
            time.sleep(0.1)
    finally:
        orphans = descendants(process)                       # the manager and its trials
        child.send_signal(signal.SIGKILL)
        child.wait()
        kill(orphans)
    return orphans


def finished(folder):
    if not (folder / 'a.sqlite').exists():
        return 0
    jobs = Archive(folder / 'a.sqlite').jobs()
    return int((jobs['status'] == 'done').sum())


def test_killed_search_is_resumed(home, tmp_path):
    write_table(tmp_path / 'table.csv')
    (tmp_path / 'whole').mkdir()
    write_table(tmp_path / 'whole' / 'table.csv')
    before = 1 + LANDMARKS + 1                               # that of the evaluation is the first
    orphans = search_until(tmp_path, before)
    assert orphans and not any(orphan.is_running() for orphan in orphans)
    archive = Archive(tmp_path / 'a.sqlite')
    jobs = archive.jobs()
    done = jobs[jobs['status'] == 'done']

    experiment = run_search(tmp_path)
    try:
        trials = requests.get(f'http://localhost:{experiment.port}/api/v1/nni/trial-jobs',
                              timeout=60).json()
        models = experiment.export_top_models(10)
    finally:
        experiment.stop()
    assert len(trials) == before + TOP - len(done)           # what was missing
    after = archive.jobs()
    assert len(after) == before + TOP and set(after['status']) == {'done'}
    kept = after.set_index('key').loc[done['key']]
    assert kept['finished'].tolist() == done['finished'].tolist()
    frame = archive.to_frame()
    assert len(frame) == frame['sample'].nunique() == LANDMARKS + TOP
    assert [(model.sample, model.metric) for model in models] == uninterrupted(tmp_path / 'whole')
