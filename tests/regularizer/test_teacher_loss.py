"""Teachers in a training: proxies take the loss of the evaluator, where it is known."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from nni.nas.evaluator.pytorch import (
    DataLoader,
    Lightning,
    LightningModule,
    Regression,
    Trainer,
)
from torch import nn
from torch.utils.data import TensorDataset

from nni_rankreg.proxy import ProxyError, ProxyScorer
from nni_rankreg.regularizer import RankingDistillation, TermContext
from nni_rankreg.regularizer.teaching import Teaching
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.search import Evolution
from nni_rankreg.space import NasBench201
from nni_rankreg.strategy import SPOS
from nni_rankreg.supernet.quiet import outputs_loss

QUIET = dict(enable_progress_bar=False, logger=False, enable_checkpointing=False, max_epochs=1,
             enable_model_summary=False)


class OwnModule(LightningModule):
    """A regression whose loss nobody but its training step knows."""

    def loss(self, images, targets):
        return 3 * F.l1_loss(self.model(images), targets)

    def training_step(self, batch, batch_idx):
        return self.loss(*batch)

    def validation_step(self, batch, batch_idx):
        self.log('val_loss', F.mse_loss(self.model(batch[0]), batch[1]))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


@pytest.fixture
def space():
    return NasBench201(4, 1, num_labels=1)


@pytest.fixture
def loaders():
    generator = torch.Generator().manual_seed(0)
    data = TensorDataset(torch.randn(16, 3, 8, 8, generator=generator),
                         torch.randn(16, 1, generator=generator))
    return dict(train_dataloaders=DataLoader(data, 8), val_dataloaders=DataLoader(data, 8))


def strategy(teacher):
    return SPOS([RankingDistillation(teacher)], evolution=Evolution(3, 4, 2, progress=False))


def orders(teaching, samples):
    return [teaching.order(one, other) for one in samples for other in samples]


def expected_orders(name, space, batch, samples, **options):
    scores = ProxyScorer(name, space, batch, options=options)(samples)
    return torch.sign(scores[:, None] - scores).flatten().tolist()


@pytest.mark.parametrize('teacher', ['snip', 'synflow'])
def test_a_proxy_takes_the_loss_of_the_evaluator(teacher, space, loaders):
    samples = UniformSampler(space, seed=3).distinct(4)
    trained = strategy(teacher).train(space, Regression(**loaders, **QUIET))
    teaching = trained.module.terms[0].teaching
    options = {} if teacher == 'synflow' else {'loss': F.mse_loss}
    assert orders(teaching, samples) == expected_orders(teacher, space, teaching.batch, samples,
                                                        **options)


@pytest.mark.parametrize('teacher', ['snip', 'fisher', 'grasp'])
def test_a_proxy_takes_the_loss_of_a_training_step(teacher, space, loaders):
    samples = UniformSampler(space, seed=3).distinct(4)
    trained = strategy(teacher).train(space, Lightning(OwnModule(), Trainer(**QUIET), **loaders))
    teaching = trained.module.terms[0].teaching
    assert orders(teaching, samples) == expected_orders(
        teacher, space, teaching.batch, samples, loss=lambda y, target: 3 * F.l1_loss(y, target))


class Mixing(OwnModule):
    """Its loss is one of mixed images."""

    def loss(self, images, targets):
        return F.mse_loss(self.model(0.5 * images + 0.5 * images.flip(0)), targets)


class Twice(OwnModule):
    """Its loss is one of two outputs."""

    def loss(self, images, targets):
        return F.mse_loss(self.model(images), self.model(images).detach() + targets)


class WithExtra(OwnModule):
    """Its network takes more than the images."""

    def loss(self, images, targets):
        return F.mse_loss(self.model(images, extra=None), targets)


@pytest.mark.parametrize('kind', [Mixing, Twice, WithExtra])
def test_what_is_no_loss_of_outputs_and_labels(kind, make_batches):
    module, (images, labels) = kind(), make_batches([4])[0]
    module.set_model(nn.Linear(8, 1))
    with pytest.raises(ProxyError, match='Expected a training_step that calls its model once, .* '
                                         f'got another of {kind.__name__}: give a ProxyScorer'):
        outputs_loss(module, torch.zeros(4, 1), (images, labels[:, None].float()))


def test_a_single_class_index_is_no_label_without_a_loss(space, loaders):
    teaching = Teaching(['snip'], TermContext(space), 0)
    with pytest.raises(ProxyError, match='give the loss of the task as the option loss'):
        teaching.start(lambda: next(iter(loaders['train_dataloaders'])))


@pytest.mark.slow
def test_the_loss_of_a_context(make_space, make_batches):
    """A weighted loss orders otherwise than the cross-entropy."""
    space, batch = make_space(), make_batches([8])[0]
    samples = UniformSampler(space, seed=3).distinct(6)
    weighted = nn.CrossEntropyLoss(weight=torch.linspace(0, 1, 10) ** 3)
    for loss, options in ((lambda outputs, batch: weighted(outputs, batch[1]), {'loss': weighted}),
                          (None, {})):
        teaching = Teaching(['grasp'], TermContext(space, loss=loss), 0)
        teaching.start(lambda: batch)
        assert orders(teaching, samples) == expected_orders('grasp', space, batch, samples,
                                                            **options)
