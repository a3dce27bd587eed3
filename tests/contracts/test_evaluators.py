"""What the evaluator says holds in the super-net.

A space with a single architecture, trained by a one-shot strategy without regularisers, has the
weights of the same evaluator's stand-alone training, to the last bit, and the score of its
validation. Networks have no batch normalisation, whose statistics are those of batches on purpose.
"""

from __future__ import annotations

import pytest
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from nni.nas.evaluator.pytorch import (
    ClassificationModule,
    DataLoader,
    Lightning,
    LightningModule,
    RegressionModule,
    Trainer,
)
from nni.nas.nn.pytorch import LayerChoice, ModelSpace
from torch import nn
from torch.nn.utils.rnn import pack_sequence
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader as GraphLoader
from torch_geometric.nn import global_mean_pool
from torchmetrics import AUROC

from nni_rankreg.data import HeldOut
from nni_rankreg.search import Evolution
from nni_rankreg.strategy import DARTS, GDAS, SPOS, FairNAS

ONLY = {'layer': 0}
COUNT, FEATURES, CLASSES = 22, 6, 3
GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(COUNT, FEATURES, generator=GENERATOR)
Y = torch.randint(CLASSES, (COUNT,), generator=GENERATOR)
IMAGES = torch.randn(COUNT, 3, 6, 6, generator=GENERATOR)


# Networks of a single architecture

class Net(ModelSpace):
    """A layer that is chosen from one, dropout, and a head."""

    outputs = CLASSES

    def __init__(self):
        super().__init__()
        self.layer = LayerChoice([nn.Linear(FEATURES, 8)], label='layer')
        self.drop = nn.Dropout(0.3)
        self.head = nn.Linear(8, self.outputs)

    def forward(self, x):
        return self.head(self.drop(self.layer(x).relu()))


class OneOutput(Net):
    """A number for each example."""

    outputs = 1


class Dense(ModelSpace):
    """A class for each pixel."""

    def __init__(self):
        super().__init__()
        self.layer = LayerChoice([nn.Conv2d(3, 8, 3, padding=1)], label='layer')
        self.head = nn.Conv2d(8, CLASSES, 1)

    def forward(self, x):
        return self.head(self.layer(x).relu())


class TwoInputs(Net):
    """Two inputs, one of which scales the other."""

    def forward(self, x, scale):
        return super().forward(x * scale)


class Recurrent(ModelSpace):
    """Reads sequences of any length."""

    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(FEATURES, 8)
        self.layer = LayerChoice([nn.Linear(8, 8)], label='layer')
        self.head = nn.Linear(8, CLASSES)

    def forward(self, x):
        return self.head(self.layer(self.rnn(x)[1][0][-1]))


class Pooling(Net):
    """Nodes of graphs, averaged."""

    def forward(self, graph):
        return global_mean_pool(super().forward(graph.x), graph.batch)


# Lightning modules

class Module(LightningModule):
    """Cross-entropy of pairs; logs the loss of the validation."""

    def forward(self, *inputs):
        return self.model(*inputs)

    def loss(self, batch):
        return F.cross_entropy(self(batch[0]), batch[1])

    def training_step(self, batch, batch_idx):
        return self.loss(batch)

    def validation_step(self, batch, batch_idx):
        self.log('score', self.loss(batch))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), 0.01)


class Binary(Module):
    """The area under the curve of two classes."""

    def __init__(self):
        super().__init__()
        self.area = AUROC('binary')

    def loss(self, batch):
        return F.binary_cross_entropy_with_logits(self(batch[0])[:, 0], (batch[1] > 0).float())

    def validation_step(self, batch, batch_idx):
        self.area.update(self(batch[0])[:, 0].sigmoid(), (batch[1] > 0).long())
        self.log('score', self.area)


class Dicts(Module):
    """Batches by name; a step with more than its loss."""

    def loss(self, batch):
        return F.cross_entropy(self(batch['x']), batch['y'])

    def training_step(self, batch, batch_idx):
        return {'loss': self.loss(batch), 'more': 'of it'}


class SeveralInputs(Module):
    """Two tensors go into the network."""

    def loss(self, batch):
        x, scale, y = batch
        return F.cross_entropy(self(x, scale), y)


class OwnStep(Module):
    """Warms the learning rate up, scales gradients, and zeroes them in its own way."""

    def optimizer_step(self, epoch, batch_idx, optimizer, optimizer_closure=None):
        optimizer.param_groups[0]['lr'] = 0.002 * (1 + self.trainer.global_step)
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)

    def backward(self, loss, *args, **kwargs):
        super().backward(0.5 * loss, *args, **kwargs)

    def configure_gradient_clipping(self, optimizer, *args, **kwargs):
        self.clip_gradients(optimizer, gradient_clip_val=0.1, gradient_clip_algorithm='norm')

    def optimizer_zero_grad(self, epoch, batch_idx, optimizer):
        optimizer.zero_grad(set_to_none=False)


class Collected(Module):
    """The score is made of all outputs when the epoch ends, and the rate follows it."""

    def on_validation_epoch_start(self):
        self.outputs = []

    def validation_step(self, batch, batch_idx):
        self.outputs.append(self(batch[0]).argmax(1) == batch[1])

    def on_validation_epoch_end(self):
        self.log('score', torch.cat(self.outputs).float().mean().square())

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), 0.1)
        schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, 'max', 0.5, 0)
        return {'optimizer': optimizer, 'lr_scheduler': {'scheduler': schedule,
                                                         'monitor': 'score'}}


class Skipping(Module):
    """Skips each third batch."""

    def training_step(self, batch, batch_idx):
        return None if batch_idx % 3 == 1 else super().training_step(batch, batch_idx)


class Graphs(Module):
    """Batches of graphs, whose size the module says."""

    def loss(self, graph):
        return F.cross_entropy(self(graph), graph.y)

    def validation_step(self, batch, batch_idx):
        self.log('score', self.loss(batch), batch_size=batch.num_graphs)


class Packed(Module):
    """Packed sequences, whose number the module says."""

    def validation_step(self, batch, batch_idx):
        self.log('score', self.loss(batch), batch_size=len(batch[1]))


# Data

def loader(examples, batch_size=5, shuffle=True, **options):
    return DataLoader(examples, batch_size, shuffle=shuffle, **options)


def both(examples, **options):
    return loader(examples, **options), loader(examples, 4, False, **options)


class Scaled(pl.LightningDataModule):
    """Bytes that become fractions, with noise in training only, on their way to the device."""

    def train_dataloader(self):
        return loader(list(zip(X * 255, Y)))

    def val_dataloader(self):
        return loader(list(zip(X * 255, Y)), 4, False)

    def on_before_batch_transfer(self, batch, dataloader_idx):
        return [batch[0].double(), batch[1]]

    def on_after_batch_transfer(self, batch, dataloader_idx):
        x = (batch[0] / 255).float()
        return [x + 0.1 * torch.rand_like(x) if self.trainer.training else x, batch[1]]


def packed(items):
    return (pack_sequence([x for x, _ in items], enforce_sorted=False),
            torch.tensor([y for _, y in items]))


PAIRS = list(zip(X, Y))
LENGTHS = [2 + index % 5 for index in range(COUNT)]
EVALUATORS = {
    'classification': (Net, lambda: ClassificationModule(num_classes=CLASSES), 'val_loss',
                       lambda: both(PAIRS)),
    'regression': (OneOutput, RegressionModule, 'val_loss',
                   lambda: both(list(zip(X, X.sum(1, keepdim=True))))),
    'binary': (OneOutput, Binary, 'score', lambda: both(PAIRS)),
    'segmentation': (Dense, Module, 'score',
                     lambda: both(list(zip(IMAGES, (IMAGES.sum(1) > 0).long())))),
    'graphs': (Pooling, Graphs, 'score', lambda: [
        GraphLoader([Data(x=x.expand(1 + index % 3, -1), y=y[None])
                     for index, (x, y) in enumerate(PAIRS)], size, shuffle=size == 5)
        for size in (5, 4)]),
    'packed sequences': (Recurrent, Packed, 'score', lambda: both(
        [(x.expand(length, -1), int(y)) for (x, y), length in zip(PAIRS, LENGTHS)],
        collate_fn=packed)),
    'dicts': (Net, Dicts, 'score', lambda: both([{'x': x, 'y': y} for x, y in PAIRS])),
    'several inputs': (TwoInputs, SeveralInputs, 'score',
                       lambda: both([(x, x[:1].abs(), y) for x, y in PAIRS])),
    'own optimiser step': (Net, OwnStep, 'score', lambda: both(PAIRS)),
    'data module': (Net, Module, 'score', Scaled),
    'collected outputs': (Net, Collected, 'score', lambda: both(PAIRS)),
    'skipped batches': (Net, Skipping, 'score', lambda: both(PAIRS)),
}
STRATEGIES = {
    'SPOS': lambda **options: SPOS(evolution=Evolution(1, 1, 1, progress=False), **options),
    'FairNAS': lambda **options: FairNAS(evolution=Evolution(1, 1, 1, progress=False), **options),
}


def trainer():
    return Trainer(max_epochs=3, logger=False, enable_checkpointing=False, accelerator='cpu',
                   enable_progress_bar=False, enable_model_summary=False)


def fitting(data):
    """Return the arguments of a trainer for loaders or a data module."""
    if isinstance(data, pl.LightningDataModule):
        return {'datamodule': data}
    return {'train_dataloaders': data[0], 'val_dataloaders': data[1]}


@pytest.fixture(scope='module', params=EVALUATORS)
def alone(request):
    """Return the name of an evaluator with the weights and the score of its own training."""
    space, module, name, data = EVALUATORS[request.param]
    pl.seed_everything(1, verbose=False)
    module, data, one = module(), data(), trainer()
    module.set_model(space().freeze(ONLY))
    one.fit(module, **fitting(data))
    score = one.callback_metrics[name].item()
    return request.param, [value.detach().clone() for value in module.model.parameters()], score


@pytest.mark.parametrize('strategy', STRATEGIES)
def test_same_weights_and_same_score(alone, strategy):
    name, weights, score = alone
    space, module, metric, data = EVALUATORS[name]
    pl.seed_everything(1, verbose=False)
    evaluator = Lightning(module(), trainer(), **fitting(data()))
    trained = STRATEGIES[strategy](metric=metric).train(space(), evaluator)
    own = list(trained.supernet.parameters())
    assert len(own) == len(weights) and all(map(torch.equal, own, weights))
    assert trained.scorer()([ONLY]).item() == pytest.approx(score, rel=1e-5)
    assert trained.history[-1].get(metric, score) == pytest.approx(score, rel=1e-5)


@pytest.mark.parametrize('alone', ['segmentation', 'packed sequences'], indirect=True)
@pytest.mark.parametrize('kind', [GDAS, DARTS])
def test_learned_architectures(alone, kind):
    """Their steps of the architecture have batches and generators of their own."""
    name, weights, score = alone
    space, module, metric, data = EVALUATORS[name]
    pl.seed_everything(1, verbose=False)
    train, validation = data()
    held_out = DataLoader(train.dataset, 5, shuffle=True, collate_fn=train.collate_fn,
                          generator=torch.Generator().manual_seed(5))
    trained = kind(metric=metric, held_out=HeldOut(held_out)).train(
        space(), Lightning(module(), trainer(), **fitting([train, validation])))
    assert all(map(torch.equal, trained.supernet.parameters(), weights))
    assert trained.scorer()([ONLY]).item() == pytest.approx(score, rel=1e-5)


def test_every_kind_is_there():
    assert len(EVALUATORS) == 12
