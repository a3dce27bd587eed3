"""The mobile space under SPOS with a folder of real images, as on ImageNet, within a latency."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from nni.nas.evaluator.pytorch import DataLoader
from PIL import Image

from nni_rankreg.constraint import LatencyConstraint, TunasLatency
from nni_rankreg.data import FolderImages
from nni_rankreg.evaluator import ACENAS_SUPERNET, IMAGENET_LINEAR, Classification
from nni_rankreg.search import Evolution
from nni_rankreg.space import ProxylessNAS
from nni_rankreg.strategy import SPOS, LandmarkSearch

FAST = dict(enable_progress_bar=False, accelerator='cpu')


@pytest.fixture(scope='module')
def images(shared_data, tmp_path_factory):
    """Write 200 real images of CIFAR-10 as ImageNet's are: a folder for each class."""
    root = tmp_path_factory.mktemp('train')
    folder = shared_data / 'cifar10'
    montage = np.asarray(Image.open(folder / 'train_00.webp').convert('RGB'))
    labels = np.load(folder / 'train_y.npy', allow_pickle=False)[:200]
    for index, label in enumerate(labels.tolist()):
        row, column = divmod(index, 50)
        (root / f'n{label:08}').mkdir(exist_ok=True)
        Image.fromarray(montage[32 * row:32 * row + 32, 32 * column:32 * column + 32]).save(
            root / f'n{label:08}' / f'{index}.png')
    return root


@pytest.fixture
def constraint(shared_data):
    model = shared_data / 'latency_tables' / 'tunas' / 'proxylessnas_search.npz'
    return LatencyConstraint(TunasLatency(model), minimum=70., maximum=85.)


def loaders(images):
    """Return 15 % of the images for training and 5 % others for validation, as on ImageNet."""
    training = FolderImages(images, pixels=32, augment=True, jitter=(.4, .4, .4, .2), part=(0, .15))
    validation = FolderImages(images, pixels=32, part=(.15, .2))
    assert (len(training), len(validation)) == (30, 10)
    return (DataLoader(training, batch_size=15, shuffle=True),
            DataLoader(validation, batch_size=10))


@pytest.mark.slow
@pytest.mark.parametrize('recipe', [ACENAS_SUPERNET, IMAGENET_LINEAR])
def test_supernet(recipe, images, constraint, run_experiment):
    evaluator = Classification(*loaders(images), num_classes=10,
                               **{**recipe, 'max_epochs': 2, 'schedule': replace(
                                   recipe['schedule'], warmup_epochs=1), **FAST})
    drawn = []

    def accept(sample):
        drawn.append(constraint(sample))
        return drawn[-1]

    strategy = SPOS(filter=accept, metric='val_acc',
                    evolution=Evolution(3, 6, 2, progress=False))
    trained = watch(strategy)
    space = ProxylessNAS(10, (8, 8, 8, 8, 16, 16, 16, 16, 32))
    experiment = run_experiment(space, evaluator, strategy)
    best = experiment.export_top_models(3, formatter='dict')
    assert len(best) == 3 and all(map(constraint, best))
    assert not all(drawn) and all(map(constraint, trained)) and len(trained) > 4


def watch(strategy):
    """Return the list to which every architecture that is activated will be added."""
    make, activated = strategy.make_module, []

    def make_and_watch(*args, **options):
        module = make(*args, **options)
        activate = module.activate
        module.activate = lambda sample: (activated.append(sample), activate(sample))
        return module
    strategy.make_module = make_and_watch
    return activated


def test_landmarks_of_a_search_meet_the_constraint_of_its_supernet(constraint, tmp_path):
    search = LandmarkSearch(SPOS(filter=constraint), None, landmarks=6,
                            archive=tmp_path / 'results.sqlite')
    jobs = next(search.plan(ProxylessNAS(10, (8,) * 9)))
    assert len(jobs) == 6 and all(constraint(job.sample) for job in jobs)
