"""What all tests share: the real data, tiny spaces, random images, NNI's own evaluator."""

from __future__ import annotations

import functools
import gc
import logging
import os
import shutil
import warnings
from copy import deepcopy

import pytest
import torch
from helpers.places import DATA
from nni.nas.evaluator.pytorch import Classification, DataLoader
from nni.nas.experiment import NasExperiment
from nni.nas.experiment.config import NasExperimentConfig
from nni.nas.hub.pytorch import (
    DARTS,
    ENAS,
    AutoFormer,
    MobileNetV3Space,
    NasBench201,
    ProxylessNAS,
    ShuffleNetSpace,
)
from nni.nas.strategy import RandomOneShot
from nni.tools.nnictl.config_utils import Experiments
from torch.utils.data import TensorDataset

from nni_rankreg import space as own

SPACES = {
    'NasBench201': lambda: NasBench201(4, 1, 10),
    'DARTS': lambda: DARTS(4, 3, 'cifar'),
    'DARTS of any size': lambda: DARTS((4, 8), (3, 6), 'cifar'),
    'ENAS': lambda: ENAS(4, 3, 'cifar'),
    'ProxylessNAS': lambda: ProxylessNAS(10, (8,) * 9),
    'MobileNetV3': lambda: MobileNetV3Space(10, (8,) * 9, depth_range=(1, 2)),
    'ShuffleNet': lambda: ShuffleNetSpace(10),
    'ShuffleNet of any width': lambda: ShuffleNetSpace(10, channel_search=True),
    'AutoFormer': lambda: AutoFormer((16, 32), (1., 2.), (1, 2), (1, 2), img_size=32,
                                     patch_size=8, num_labels=10),
    'NasBench101': lambda: own.NasBench101(8, 2, 1),
    'own NasBench201': lambda: own.NasBench201(4, 1, 10, none=False),
    'own DARTSSpace': lambda: own.DARTSSpace(4, 3),
    'own DARTSSpace of any size': lambda: own.DARTSSpace((4, 8), (3, 6)),
    'own ENAS of any size': lambda: own.ENAS((4, 8), (4, 5, 6)),
    'own PNAS': lambda: own.PNAS(4, (3, 4)),
    'own AmoebaNet': lambda: own.AmoebaNet((4, 8), 4),
    'own NASNet': lambda: own.NASNet(4, 3),
    'own ProxylessNAS': lambda: own.ProxylessNAS(10, (8,) * 9, (2, 1, 2, 1, 1, 1)),
    'own ResNet48': lambda: own.ResNet48(10, (16, 16, 24, 24), ((1, 2), (1, 2), (1, 3), (1, 1))),
}
LARGE = {'DARTS of any size', 'own DARTSSpace of any size', 'ENAS', 'own ENAS of any size',
         'own PNAS', 'own AmoebaNet', 'own NASNet'}
"""Spaces with thousands of modules; tests of the others are quick."""
QUIET = dict(logger=False, enable_checkpointing=False, enable_progress_bar=False,
             enable_model_summary=False, num_sanity_val_steps=0, accelerator='cpu')


def pytest_configure():
    """Let programs that tests start compute on one thread; they are small, and share the cores."""
    os.environ.setdefault('OMP_NUM_THREADS', '1')


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Look for no garbage meanwhile, nor later among the million objects of what is imported."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark what reads the real data or makes large super-nets; skip what this machine lacks.

    What takes long begins first, lest one process is still at it when the others have ended.
    A process has all tests of a file, so that what these share is made once.
    """
    absent = {'data': not DATA.exists() and f'There are no real data in {DATA}.',
              'gpu': not torch.cuda.is_available() and 'There is no GPU.'}
    for item in items:
        parameters = item.callspec.params.values() if hasattr(item, 'callspec') else ()
        if any(isinstance(one, str) and one in LARGE for one in parameters):
            item.add_marker('slow')
        if 'shared_data' in getattr(item, 'fixturenames', ()):
            item.add_marker('data')
        for name, reason in absent.items():
            if reason and item.get_closest_marker(name):
                item.add_marker(pytest.mark.skip(reason=reason))
    items.sort(key=lambda item: [item.get_closest_marker(name) is None
                                 for name in ('manager', 'slow')])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """Fail a test that needs the real data and is skipped though they are there."""
    report = yield
    if report.skipped and item.get_closest_marker('data') and DATA.exists():
        report.outcome = 'failed'
        report.longrepr = f'Expected a test of the data in {DATA} to run, got a skip.'
    return report


@pytest.fixture(scope='session')
def shared_data():
    """Return the folder of the real data; where it is absent, the test is skipped."""
    return DATA


@pytest.fixture(scope='session')
def browser(tmp_path_factory):
    """Return a real browser, driven by Selenium."""
    webdriver = pytest.importorskip('selenium.webdriver')
    programs = shutil.which('chromium'), shutil.which('chromedriver')
    if not all(programs):
        pytest.skip('There is no chromium with chromedriver; on Debian: apt install '
                    'chromium chromium-driver')
    options = webdriver.ChromeOptions()
    options.binary_location = programs[0]
    options.set_capability('goog:loggingPrefs', {'browser': 'ALL'})
    for argument in ('--headless=new', '--no-sandbox', '--disable-gpu', '--window-size=1500,1200',
                     '--disable-dev-shm-usage', '--disable-background-networking',
                     f'--user-data-dir={tmp_path_factory.mktemp("browser")}'):
        options.add_argument(argument)
    service = webdriver.chrome.service.Service(programs[1])
    with webdriver.Chrome(options=options, service=service) as driver:
        driver.implicitly_wait(60)
        yield driver


@pytest.fixture(autouse=True)
def quiet():
    """Compute on one thread, which is fastest for tiny networks, and keep Lightning silent."""
    torch.set_num_threads(1)
    for name in ('pytorch_lightning', 'lightning.pytorch'):
        logger = logging.getLogger(name)
        if logger.level != logging.ERROR:        # to set it takes the time of many a test
            logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', '.*(num_workers|log_every_n_steps|LeafSpec).*')
        warnings.filterwarnings('ignore', 'Direct export from RandomOneShot')
        yield


@pytest.fixture
def make_space():
    """Return a function: the name of a hub space -> a tiny one, always with the same weights."""
    def make(name='NasBench201'):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return SPACES[name]()
    return make


@functools.cache
def first_supernet(name):
    """Return the super-net of a space, for all tests to copy: NNI takes seconds to make some."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return RandomOneShot().mutate_model(SPACES[name]())


@pytest.fixture
def make_supernet():
    """Return a function: the name of a hub space -> its super-net, always with equal weights."""
    return lambda name='NasBench201': deepcopy(first_supernet(name))


@pytest.fixture
def make_batches():
    """Return a function that makes batches of random images with labels."""
    def make(sizes=(6, 4), pixels=8, seed=0):
        generator = torch.Generator().manual_seed(seed)
        return [(torch.randn(size, 3, pixels, pixels, generator=generator),
                 torch.randint(10, (size,), generator=generator)) for size in sizes]
    return make


@pytest.fixture
def make_loader(make_batches):
    """Return a function that makes NNI's loader over random images."""
    def make(count=16, batch_size=8, pixels=8, seed=0, **kwargs):
        return DataLoader(TensorDataset(*make_batches([count], pixels, seed)[0]),
                          batch_size=batch_size, **kwargs)
    return make


@pytest.fixture
def make_evaluator(make_loader):
    """Return a function that makes NNI's own classification of random images, on the CPU."""
    def make(train=None, validation=None, **kwargs):
        if 'datamodule' not in kwargs:
            kwargs.update(train_dataloaders=train or make_loader(),
                          val_dataloaders=validation or make_loader(seed=1))
        return Classification(**{'num_classes': 10, 'max_epochs': 1, **QUIET, **kwargs})
    return make


@pytest.fixture
def run_experiment(tmp_path, monkeypatch):
    """Return a function that runs an NNI experiment whose files stay in a temporary folder."""
    monkeypatch.setattr('nni.nas.experiment.experiment.Experiments',
                        functools.partial(Experiments, str(tmp_path)))

    def run(space, evaluator, strategy, config=None):
        config = config or NasExperimentConfig.default(space, evaluator, strategy)
        config.experiment_working_directory = tmp_path
        experiment = NasExperiment(space, evaluator, strategy, config)
        try:
            experiment.run()
        finally:
            experiment.stop()
        return experiment
    return run
