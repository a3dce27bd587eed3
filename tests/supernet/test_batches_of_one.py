"""A batch of one example: it has no statistics that normalise it."""

from __future__ import annotations

import logging

import pytest
import torch
from nni.nas.nn.pytorch import LayerChoice, ModelSpace
from torch import nn

from nni_rankreg.regularizer import EqualCostControl
from nni_rankreg.schedule import Schedule
from nni_rankreg.search import Evolution
from nni_rankreg.strategy import SPOS
from nni_rankreg.supernet import Scoring, SuperNetScorer

SMALL = Evolution(2, 4, 2, progress=False)
CONTROL = EqualCostControl(1, schedule=Schedule('constant', warmup=0))


class Net(ModelSpace):
    """Normalises vectors: of one vector PyTorch refuses to take the statistics."""

    def __init__(self):
        super().__init__()
        self.a = LayerChoice([nn.Linear(192, 8), nn.Linear(192, 8, bias=False)], label='a')
        self.b = LayerChoice([nn.ReLU(), nn.Tanh()], label='b')
        self.head = nn.Sequential(nn.BatchNorm1d(8), nn.Linear(8, 10))

    def forward(self, x):
        return self.head(self.b(self.a(x.flatten(1))))


@pytest.mark.parametrize('regularizers, images, validation', [
    ([], 24, 9), ([CONTROL], 34, 9), ([CONTROL], 32, 8)])
def test_training(regularizers, images, validation, make_evaluator, make_loader, caplog):
    evaluator = make_evaluator(make_loader(images, 8), make_loader(validation, 8, seed=1))
    with caplog.at_level(logging.WARNING, 'nni_rankreg'):
        trained = SPOS(regularizers, evolution=SMALL).train(Net(), evaluator)
        assert all(one.score > -100 for one in trained.best())
        trained.measure(), trained.scorer()
    assert ('leave out 1 validation batches of one' in caplog.text) is (validation == 9)
    assert caplog.text.count('leave out') <= 1      # not at each measurement
    batches = list(make_loader(validation, 8, seed=1))
    kept = SuperNetScorer(trained.module, [batch for batch in batches if len(batch[1]) > 1])
    samples = [dict(one) for one in trained.best()]
    assert torch.equal(trained.scorer()(samples), kept(samples))


def test_nothing_but_batches_of_one(make_evaluator, make_loader):
    evaluator = make_evaluator(make_loader(16, 8), make_loader(3, 1, seed=1))
    trained = SPOS(evolution=SMALL).train(Net(), evaluator)
    with pytest.raises(ValueError, match='Expected validation batches of at least two examples'):
        trained.best()
    evaluator = make_evaluator(make_loader(16, 8), make_loader(3, 1, seed=1))
    calibrated = SPOS(evolution=SMALL, scoring=Scoring(calibration_batches=2)).train(
        Net(), evaluator)
    assert calibrated.best()
