"""Scores of metrics that are no mean over examples, and of batches that are no pair of tensors."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from nni.nas.evaluator.pytorch import DataLoader, Lightning, LightningModule, Trainer
from nni.nas.nn.pytorch import LayerChoice, ModelSpace
from sklearn.metrics import f1_score, roc_auc_score
from torch import nn
from torch.nn.utils.rnn import pack_sequence
from torch.utils.data import TensorDataset
from torchmetrics import AUROC

from nni_rankreg.search import Evolution
from nni_rankreg.strategy import SPOS
from nni_rankreg.supernet import Scoring

SAMPLES = [{'a': a, 'b': b} for a in (0, 1) for b in (0, 1)]
SMALL = Evolution(2, 4, 2, progress=False)
GENERATOR = torch.Generator().manual_seed(0)
X, Y = torch.randn(25, 5, generator=GENERATOR), torch.randint(2, (25,), generator=GENERATOR)


class Net(ModelSpace):
    """Four networks."""

    def __init__(self):
        super().__init__()
        self.a = LayerChoice([nn.Linear(5, 8), nn.Sequential(nn.Linear(5, 8), nn.ReLU())],
                             label='a')
        self.b = LayerChoice([nn.Linear(8, 2), nn.Linear(8, 2, bias=False)], label='b')

    def forward(self, x):
        return self.b(self.a(x))


class Module(LightningModule):
    """Logs what a subclass says."""

    def forward(self, x):
        return self.model(x)

    def training_step(self, batch, batch_idx):
        return F.cross_entropy(self(batch[0]), batch[1])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


class MetricObject(Module):
    """The area under the curve as an object of torchmetrics."""

    def __init__(self):
        super().__init__()
        self.area = AUROC('binary')

    def validation_step(self, batch, batch_idx):
        self.area.update(self(batch[0]).softmax(1)[:, 1], batch[1])
        self.log('val_score', self.area)


class AtTheEnd(Module):
    """Macro F1 of the outputs that are collected until the epoch ends."""

    def on_validation_epoch_start(self):
        self.outputs = []

    def validation_step(self, batch, batch_idx):
        self.outputs.append((self(batch[0]).argmax(1), batch[1]))

    def on_validation_epoch_end(self):
        found, truth = (torch.cat(parts).tolist() for parts in zip(*self.outputs))
        self.log('val_score', f1_score(truth, found, average='macro'))


class Sized(Module):
    """A number of each batch that counts as often as the module says."""

    def validation_step(self, batch, batch_idx):
        loss = F.cross_entropy(self(batch[0]), batch[1])
        self.log('val_score', loss, batch_size=1 + batch_idx)


def batch_losses(logits):
    return [F.cross_entropy(*parts).item() for parts in zip(logits.split(8), Y.split(8))]


class Reduced(Module):
    """A number of each batch that Lightning reduces in another way than to the mean."""

    reduce_fx = None

    def validation_step(self, batch, batch_idx):
        loss = F.cross_entropy(self(batch[0]), batch[1])
        self.log('val_score', loss, reduce_fx=self.reduce_fx)


def reduced_by(value):
    """Return the class, whose name is the same in every process that runs tests."""
    name = value if isinstance(value, str) else value.__qualname__
    return type(f'Reduced by {name}', (Reduced,), {'reduce_fx': staticmethod(value)})


def weighted_losses(logits):
    losses = batch_losses(logits)
    return sum(loss * (1 + place) for place, loss in enumerate(losses)) / (1 + 2 + 3 + 4)


CASES = {
    MetricObject: lambda logits: roc_auc_score(Y, logits.softmax(1)[:, 1]),
    AtTheEnd: lambda logits: f1_score(Y, logits.argmax(1), average='macro'),
    Sized: weighted_losses,
    **{reduced_by(value): lambda logits, reduce=reduce: reduce(batch_losses(logits))
       for reduce, values in ((max, ('max', torch.max, max)), (min, ('MIN', torch.min, min)),
                              (sum, ('sum', torch.sum, sum)))
       for value in values},
    reduced_by('avg'): lambda logits: F.cross_entropy(logits, Y).item(),
}


def train(module, space=None, loader=None, **options):
    loader = loader or DataLoader(TensorDataset(X, Y), 8)
    trainer = Trainer(max_epochs=1, logger=False, enable_checkpointing=False, accelerator='cpu',
                      enable_progress_bar=False, enable_model_summary=False)
    return SPOS(evolution=SMALL, **options).train(space or Net(), Lightning(
        module, trainer, train_dataloaders=loader, val_dataloaders=loader))


@pytest.mark.parametrize('processes', [1, 2])
@pytest.mark.parametrize('kind', CASES)
def test_metric_of_the_whole_validation(kind, processes):
    trained = train(kind(), metric='val_score', scoring=Scoring(processes=processes))
    samples = SAMPLES * 4
    with torch.no_grad():
        expected = [CASES[kind](trained.supernet.freeze(one)(X)) for one in samples]
    assert len({round(one, 6) for one in expected}) > 2
    assert trained.scorer()(samples).tolist() == pytest.approx(expected, rel=1e-6)
    alone = kind()
    alone.set_model(trained.supernet.freeze(SAMPLES[1]))
    logged, = Trainer(logger=False, accelerator='cpu', enable_progress_bar=False).validate(
        alone, DataLoader(TensorDataset(X, Y), 8), verbose=False)
    assert logged['val_score'] == pytest.approx(expected[1], rel=1e-6)      # as Lightning has it


def test_calibration_goes_through_the_step_of_the_evaluator():
    """Its inputs need not come first in the batch."""
    class Turned(Module):
        def training_step(self, batch, batch_idx):
            return F.cross_entropy(self(batch['x']), batch['y'])

        validation_step = training_step

    data = [{'x': x, 'y': y} for x, y in zip(X, Y)]
    trained = train(Turned(), loader=DataLoader(data, 8), scoring=Scoring(calibration_batches=2))
    with torch.no_grad():
        expected = [-F.cross_entropy(trained.supernet.freeze(one)(X), Y).item() for one in SAMPLES]
    assert trained.scorer()(SAMPLES).tolist() == pytest.approx(expected, rel=1e-6)


class Sequences(ModelSpace):
    """Reads sequences of any length."""

    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(5, 8)
        self.a = LayerChoice([nn.Identity(), nn.Tanh()], label='a')
        self.b = LayerChoice([nn.Linear(8, 2), nn.Linear(8, 2, bias=False)], label='b')

    def forward(self, x):
        return self.b(self.a(self.rnn(x)[1][0][-1]))


class Batch:
    """A batch of a class of the user's own."""

    def __init__(self, x, y):
        self.x, self.y = x, y

    def to(self, device, **kwargs):
        return Batch(self.x.to(device), self.y.to(device))


class Own(Module):
    """Takes batches of any form, and says how many examples they have."""

    def parts(self, batch):
        return (batch.x, batch.y) if isinstance(batch, Batch) else batch

    def training_step(self, batch, batch_idx):
        x, y = self.parts(batch)
        loss = F.cross_entropy(self(x), y)
        self.log('train_loss', loss, batch_size=len(y))
        return loss


def collate(kind, items):
    y = torch.tensor([one for _, one in items])
    if kind == 'packed':
        return pack_sequence([x for x, _ in items], enforce_sorted=False), y
    x = torch.stack([x for x, _ in items], 1)
    return Batch(x, y) if kind == 'class' else (x, y)


class Equal(Own):
    """Says in validation only how much a batch counts."""

    def training_step(self, batch, batch_idx):
        x, y = self.parts(batch)
        return F.cross_entropy(self(x), y)

    def validation_step(self, batch, batch_idx):
        self.log('val_loss', self.training_step(batch, batch_idx), batch_size=1)


def test_loss_is_weighted_as_in_validation():
    data = [(x.expand(6, -1), int(y)) for x, y in zip(X, Y)]
    loader = DataLoader(data, 8, collate_fn=lambda items: collate('time first', items))
    trained = train(Equal(), Sequences(), loader)
    for one, score in zip(SAMPLES, trained.scorer()(SAMPLES).tolist()):
        alone = Equal()
        alone.set_model(trained.supernet.freeze(one))
        logged, = Trainer(logger=False, accelerator='cpu', enable_progress_bar=False).validate(
            alone, loader, verbose=False)
        assert -score == pytest.approx(logged['val_loss'], rel=1e-6)


@pytest.mark.parametrize('kind', ['packed', 'time first', 'class'])
def test_batches_of_any_form(kind):
    lengths = torch.randint(3, 9, (25,), generator=GENERATOR).tolist()
    data = [(torch.randn(length if kind == 'packed' else 6, 5, generator=GENERATOR), int(y))
            for length, y in zip(lengths, Y)]
    loader = DataLoader(data, 8, collate_fn=lambda items: collate(kind, items))
    trained = train(Own(), Sequences(), loader)
    with torch.no_grad():
        expected = []
        for one in SAMPLES:
            network = trained.supernet.freeze(one)
            expected.append(-torch.stack([F.cross_entropy(network(x[:, None]), torch.tensor([y]))
                                          for x, y in data]).mean().item())
    assert trained.scorer()(SAMPLES).tolist() == pytest.approx(expected, rel=1e-5)


def test_graphs():
    from torch_geometric.data import Data
    from torch_geometric.loader import DataLoader as GraphLoader
    from torch_geometric.nn import global_mean_pool

    class Graphs(Net):
        def forward(self, graph):
            return global_mean_pool(super().forward(graph.x), graph.batch)

    class OnGraphs(Own):
        def parts(self, batch):
            return batch, batch.y

    graphs = [Data(x=torch.randn(3 + index % 4, 5), edge_index=torch.zeros(2, 1, dtype=torch.long),
                   y=y[None]) for index, y in enumerate(Y)]
    trained = train(OnGraphs(), Graphs(), GraphLoader(graphs, 8))
    whole, = GraphLoader(graphs, len(graphs))
    with torch.no_grad():
        expected = [-F.cross_entropy(trained.supernet.freeze(one)(whole), whole.y).item()
                    for one in SAMPLES]
    assert trained.scorer()(SAMPLES).tolist() == pytest.approx(expected, rel=1e-5)


class Viewing(ModelSpace):
    """Takes the memory of images for granted."""

    def __init__(self):
        super().__init__()
        self.a = LayerChoice([nn.Linear(27, 8), nn.Sequential(nn.Linear(27, 8), nn.ReLU())],
                             label='a')
        self.b = LayerChoice([nn.Linear(8, 2), nn.Linear(8, 2, bias=False)], label='b')

    def forward(self, x):
        return self.b(self.a(x.view(len(x), -1)))


class Plain(Module):
    """Logs a number of each batch."""

    def validation_step(self, batch, batch_idx):
        self.log('val_score', F.cross_entropy(self(batch[0]), batch[1]))


@pytest.mark.parametrize('metric', [None, 'val_score'])
def test_networks_that_view_their_images(metric):
    images = torch.randn(25, 3, 3, 3, generator=GENERATOR)
    trained = train(Plain(), Viewing(), DataLoader(TensorDataset(images, Y), 8), metric=metric)
    with torch.no_grad():
        losses = [F.cross_entropy(trained.supernet.freeze(one)(images), Y).item()
                  for one in SAMPLES]
    sign = -1 if metric is None else 1
    assert trained.scorer()(SAMPLES).tolist() == pytest.approx([sign * one for one in losses])


class Choosy(Module):
    """Skips the batches whose first number is below a bound."""

    def __init__(self, bound):
        super().__init__()
        self.bound = bound

    def training_step(self, batch, batch_idx):
        return None if batch[0][0, 0] < self.bound else super().training_step(batch, batch_idx)


@pytest.mark.parametrize('calibration', [0, 2])
def test_batches_that_training_step_skips_have_no_score(calibration):
    kept = [(x, y) for x, y in DataLoader(TensorDataset(X, Y), 8) if x[0, 0] >= -0.5]
    assert 0 < len(kept) < 4
    x, y = (torch.cat(parts) for parts in zip(*kept))
    trained = train(Choosy(-0.5), scoring=Scoring(calibration_batches=calibration))
    with torch.no_grad():
        expected = [-F.cross_entropy(trained.supernet.freeze(one)(x), y).item()
                    for one in SAMPLES]
    assert trained.scorer()(SAMPLES).tolist() == pytest.approx(expected)
    with pytest.raises(ValueError, match='Expected a validation batch that training_step does not'):
        train(Choosy(9.)).best()
