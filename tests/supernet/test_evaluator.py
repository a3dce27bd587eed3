"""The evaluator of a super-net is the user's: its trainer, its data, its errors."""

from __future__ import annotations

import pytest
import pytorch_lightning as pl
import torch
from nni.mutable import Categorical
from nni.nas.evaluator import FunctionalEvaluator
from nni.nas.evaluator.pytorch import Classification, Lightning
from torch.utils.data import DataLoader, TensorDataset

from nni_rankreg.data import HeldOut, Loaders
from nni_rankreg.supernet import SuperNetModule
from nni_rankreg.supernet.evaluator import check_evaluator, supernet_evaluator


class Data(pl.LightningDataModule):
    """Makes its loaders late, when Lightning asks for them."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def train_dataloader(self):
        self.asked.append('train')
        return DataLoader(TensorDataset(torch.randn(16, 3, 8, 8), torch.arange(16) % 10), 4)

    def val_dataloader(self):
        self.asked.append('validate')
        return DataLoader(TensorDataset(torch.randn(6, 3, 8, 8), torch.arange(6)), 3)


@pytest.fixture
def make(make_supernet):
    """Return a function that makes the evaluator of a super-net, and its loaders."""
    def run(evaluator):
        loaders = Loaders(HeldOut())
        module = SuperNetModule(evaluator.module, loaders=loaders)
        return supernet_evaluator(evaluator, module, loaders), loaders
    return run


def test_trainer_and_loaders(make, make_evaluator, make_loader):
    training, validation = make_loader(16, 4), make_loader(6, 3)
    own = make_evaluator(training, validation)
    own.fit_kwargs['ckpt_path'] = 'somewhere'
    evaluator, loaders = make(own)
    assert isinstance(evaluator.module, SuperNetModule)
    assert evaluator.module.training_module is own.module
    assert evaluator.trainer is own.trainer and evaluator.fit_kwargs['ckpt_path'] == 'somewhere'
    assert len(loaders.training.dataset) == len(loaders.ranking.dataset) == 8
    assert evaluator.train_dataloaders is loaders.training
    assert evaluator.val_dataloaders is loaders.validation is validation
    assert own.train_dataloaders is training and own.val_dataloaders is validation


def test_a_data_module_is_asked_when_lightning_asks(make, make_evaluator, make_supernet):
    data = Data()
    evaluator, loaders = make(make_evaluator(datamodule=data))
    assert evaluator.datamodule is data and data.asked == []
    assert loaders.training is loaders.validation is None
    evaluator.evaluate(make_supernet())
    assert sorted(data.asked) == ['train', 'validate']
    assert len(loaders.training.dataset) == len(loaders.ranking.dataset) == 8
    assert len(loaders.validation.dataset) == 6


def test_a_data_module_of_two_trainings(make, make_evaluator):
    """Each training holds out half of all data, not of what the one before has left."""
    data = Data()
    for _ in range(2):
        evaluator, loaders = make(make_evaluator(datamodule=data))
        assert evaluator.datamodule.train_dataloader() is loaders.training
        assert len(loaders.training.dataset) == len(loaders.ranking.dataset) == 8
        assert evaluator.datamodule.val_dataloader() is loaders.validation
    assert data.asked == ['train', 'validate'] * 2


@pytest.mark.parametrize('evaluator, error, message', [
    (lambda loader: FunctionalEvaluator(print), TypeError,
     "Expected NNI's Lightning evaluator to train a super-net, .* got FunctionalEvaluator"),
    (lambda loader: Classification(
        learning_rate=Categorical([.1, .2], label='rate'), train_dataloaders=loader,
        val_dataloaders=loader, num_classes=10), ValueError,
     r"without parameters to choose, .* got the choices \['rate'\]"),
    (lambda loader: Classification(train_dataloaders=loader, num_classes=10), ValueError,
     'a training and a validation loader in the evaluator of a super-net, or a data module, got '
     'None as val_dataloaders'),
    (lambda loader: Classification(train_dataloaders=5, val_dataloaders=loader, num_classes=10),
     ValueError, 'got 5 as train_dataloaders'),
    (lambda loader: Classification(train_dataloaders=loader, val_dataloaders='data',
                                   num_classes=10), ValueError, "got 'data' as val_dataloaders")])
def test_what_cannot_train_a_supernet(evaluator, error, message, make_loader):
    with pytest.raises(error, match=message):
        check_evaluator(evaluator(make_loader()))


def test_what_can(make_evaluator):
    check_evaluator(make_evaluator())
    check_evaluator(make_evaluator(datamodule=Data()))
    assert isinstance(make_evaluator(), Lightning)
