"""How a super-net in training becomes a scorer."""

from __future__ import annotations

from types import SimpleNamespace

import nni
import pytest
import torch
import torch.nn.functional as F
from pytorch_lightning.plugins import Precision
from pytorch_lightning.trainer.states import TrainerState

from nni_rankreg.sampler import UniformSampler
from nni_rankreg.supernet import Scoring, SuperNetScorer


@pytest.fixture
def trained(make_module, make_loader, fit):
    """Return the module of a super-net that has been trained and validated."""
    module = make_module()
    fit(module, make_loader(16, 4), make_loader(12, 4, seed=1))
    return module


@pytest.fixture
def samples(trained):
    return UniformSampler(trained.model, seed=8).distinct(3)


@pytest.mark.parametrize('metric', [None, 'val_acc'])
@pytest.mark.parametrize('batches', [1, None])
def test_score_of_some_batches(metric, batches, trained, samples, make_loader):
    scores = Scoring(batches=batches).scorer(trained, metric)(samples)
    for sample, score in zip(samples, scores.tolist()):
        network, hits, losses = trained.model.freeze(sample).train(), [], []
        for x, y in list(make_loader(12, 4, seed=1))[:batches]:
            hits += (network(x).argmax(1) == y).tolist()
            losses.append(-F.cross_entropy(network(x), y).item())
        expected = sum(hits) / len(hits) if metric else sum(losses) / len(losses)
        assert score == pytest.approx(expected, rel=1e-4)


def test_a_metric_to_minimise(trained, samples):
    lowest = Scoring().scorer(trained, 'val_loss', 'min')(samples)
    torch.testing.assert_close(lowest, Scoring().scorer(trained)(samples))


@pytest.mark.parametrize('batches', [0, 1, 3])
def test_calibration_by_batches_of_the_training(batches, trained, samples):
    calibration = list(trained.loaders.training)[:batches]
    expected = SuperNetScorer(trained, trained.loaders.validation, calibration=calibration)(samples)
    assert torch.equal(Scoring(calibration_batches=batches).scorer(trained)(samples), expected)


@pytest.fixture
def other_trainer(trained, monkeypatch):
    """Return a function that gives the module another trainer."""
    def give(**attributes):
        monkeypatch.setattr(type(trained), 'trainer', SimpleNamespace(**{
            'precision_plugin': Precision(), 'state': TrainerState(), **attributes}))
    return give


@pytest.mark.parametrize('devices, expected', [(1, 3), (2, 1)])
def test_processes_that_score(devices, expected, trained, other_trainer):
    """One in a distributed training, which divides the scoring itself."""
    other_trainer(world_size=devices)
    assert Scoring(processes=3).scorer(trained).processes == expected


def test_a_data_module_that_has_not_been_asked(trained, samples, make_loader, other_trainer):
    """Lightning does not ask it for a loader that it validates nothing on."""
    expected, loaders = Scoring().scorer(trained)(samples), trained.loaders
    loaders.validation = None
    other_trainer(world_size=1, datamodule=SimpleNamespace(
        val_dataloader=lambda: loaders.validate(lambda: make_loader(12, 4, seed=1))))
    assert torch.equal(Scoring().scorer(trained)(samples), expected)


def test_it_travels_in_jobs():
    scoring = Scoring(batches=2, processes=3, calibration_batches=4)
    assert vars(nni.load(nni.dump(scoring))).items() >= {
        'batches': 2, 'processes': 3, 'calibration_batches': 4}.items()
