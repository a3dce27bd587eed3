"""Hooks of the user's Lightning module, under a super-net as in a training by itself."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from nni.nas.evaluator.pytorch import DataLoader, Lightning, LightningModule, Trainer
from nni.nas.nn.pytorch import LayerChoice, ModelSpace
from torch import nn
from torch.utils.data import TensorDataset

from nni_rankreg.predictor import NAOController
from nni_rankreg.regularizer import EqualCostControl
from nni_rankreg.schedule import Schedule
from nni_rankreg.search import Evolution
from nni_rankreg.strategy import DARTS, GDAS, NAO, SPOS, FairNAS
from nni_rankreg.supernet.hooks import overridden_hooks

ALWAYS = Schedule('constant', warmup=0)
SMALL = Evolution(2, 4, 2, progress=False)


class Net(ModelSpace):
    """Two choices of one layer."""

    def __init__(self):
        super().__init__()
        self.layer = LayerChoice([nn.Linear(4, 3), nn.Linear(4, 3, bias=False)], label='layer')
        self.other = LayerChoice([nn.Identity(), nn.Tanh()], label='other')

    def forward(self, x):
        return self.other(self.layer(x))


class Recorded(LightningModule):
    """Notes each hook that Lightning calls, and warms the learning rate up."""

    def __init__(self):
        super().__init__()
        self.calls, self.rates, self.outputs, self.train_outputs = [], [], [], []

    def forward(self, x):
        return self.model(x)

    def training_step(self, batch, batch_idx):
        loss = F.cross_entropy(self(batch[0]), batch[1])
        self.train_outputs.append(loss.detach())
        return {'loss': loss, 'more': 1}

    def validation_step(self, batch, batch_idx):
        output = self(batch[0])
        self.outputs.append((output.argmax(1) == batch[1]).float())
        self.log('val_loss', F.cross_entropy(output, batch[1]))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 1.)

    def configure_callbacks(self):
        self.calls.append('configure_callbacks')
        return []

    def optimizer_step(self, epoch, batch_idx, optimizer, optimizer_closure=None):
        self.calls.append('optimizer_step')
        for group in optimizer.param_groups:
            group['lr'] = 0.01 * (self.trainer.global_step + 1)
        self.rates.append(optimizer.param_groups[0]['lr'])
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)

    def on_validation_epoch_end(self):
        self.calls.append('on_validation_epoch_end')
        self.log('val_hits', torch.cat(self.outputs).mean())
        self.outputs.clear()

    def on_train_epoch_end(self):
        self.calls.append('on_train_epoch_end')
        self.train_outputs.clear()


def noted(name):
    def hook(self, *args, **kwargs):
        self.calls.append(name)
        return getattr(super(Recorded, self), name)(*args, **kwargs)
    return hook


for one in ('backward', 'configure_gradient_clipping', 'lr_scheduler_step', 'on_after_backward',
            'on_after_batch_transfer', 'on_before_backward', 'on_before_batch_transfer',
            'on_before_optimizer_step', 'on_before_zero_grad', 'on_fit_end', 'on_fit_start',
            'on_train_batch_end', 'on_train_batch_start', 'on_train_end', 'on_train_epoch_start',
            'on_train_start', 'on_validation_batch_end', 'on_validation_batch_start',
            'on_validation_end', 'on_validation_epoch_start', 'on_validation_model_eval',
            'on_validation_model_train', 'on_validation_start', 'optimizer_zero_grad',
            'transfer_batch_to_device'):
    setattr(Recorded, one, noted(one))


def loader(seed=0):
    generator = torch.Generator().manual_seed(seed)
    data = TensorDataset(torch.randn(12, 4, generator=generator),
                         torch.randint(3, (12,), generator=generator))
    return DataLoader(data, 4)


def evaluator(module=None, **options):
    trainer = Trainer(**{'max_epochs': 2, 'logger': False, 'enable_checkpointing': False,
                         'enable_progress_bar': False, 'enable_model_summary': False,
                         'accelerator': 'cpu', **options})
    return Lightning(module or Recorded(), trainer, train_dataloaders=loader(),
                     val_dataloaders=loader(1))


def alone():
    """Return the module after a training of one architecture by itself."""
    module = Recorded()
    module.set_model(Net().freeze({'layer': 0, 'other': 0}))
    evaluator().trainer.fit(module, loader(), loader(1))
    return module


def test_every_hook_in_its_order():
    expected, own = alone(), evaluator()
    SPOS(evolution=SMALL).train(Net(), own)
    assert own.module.calls == expected.calls and len(set(own.module.calls)) > 25
    assert own.module.rates == expected.rates == pytest.approx([.01, .02, .03, .04, .05, .06])
    assert own.module.outputs == own.module.train_outputs == []


@pytest.mark.parametrize('strategy', [
    SPOS([EqualCostControl(1, schedule=ALWAYS)], evolution=SMALL), FairNAS(evolution=SMALL),
    GDAS(candidates=2), DARTS(candidates=2),
    NAO(pool=2, proposals=1, controller=partial(NAOController, steps=10, width=16))])
def test_hooks_of_every_strategy(strategy):
    """As often for each batch, however many halves and sub-nets there are."""
    own = evaluator()
    trained = strategy.train(Net(), own)
    calls = Counter(own.module.calls)
    steps = trained.module.trainer.global_step
    for name in ('optimizer_step', 'on_before_zero_grad', 'backward', 'on_train_batch_end',
                 'configure_gradient_clipping'):
        assert calls[name] == steps, name
    assert calls['on_validation_epoch_end'] == 2 + 1  # and Lightning's check
    trained.scorer()(trained.best())
    assert own.module.outputs == own.module.train_outputs == []


@pytest.mark.parametrize('monitor', ['val_hits', 'val_loss'])
def test_early_stopping_on_what_is_logged_at_the_end_of_an_epoch(monitor):
    stop = pl.callbacks.EarlyStopping(monitor, patience=0, min_delta=10.)
    trained = SPOS(evolution=SMALL).train(Net(), evaluator(max_epochs=5, callbacks=[stop]))
    assert trained.module.trainer.current_epoch == 2 and stop.stopped_epoch == 1


class Plateau(Recorded):
    """A rate that falls when a metric of the end of the epoch does not."""

    def optimizer_step(self, epoch, batch_idx, optimizer, optimizer_closure=None):
        LightningModule.optimizer_step(self, epoch, batch_idx, optimizer, optimizer_closure)

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), 0.)
        schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, threshold=10.)
        return {'optimizer': optimizer,
                'lr_scheduler': {'scheduler': schedule, 'monitor': 'val_hits'}}


def test_plateau_of_what_is_logged_at_the_end_of_an_epoch():
    own = evaluator(Plateau(), max_epochs=3)
    trained = SPOS(evolution=SMALL).train(Net(), own)
    assert trained.module.trainer.lr_scheduler_configs[0].scheduler.num_bad_epochs == 0
    assert own.module.calls.count('lr_scheduler_step') == 3


class Scaling(pl.LightningDataModule):
    """Images of 0..255, which become 0..1 on their way to the device."""

    def train_dataloader(self):
        data = TensorDataset(255 * torch.rand(12, 4), torch.randint(3, (12,)))
        return DataLoader(data, 4)

    def val_dataloader(self):
        return self.train_dataloader()

    def on_after_batch_transfer(self, batch, dataloader_idx):
        self.stages.add(str(self.trainer.state.stage))
        return batch[0] / 255, batch[1]


class Range(Net):
    """Notes the largest number that it sees."""

    def forward(self, x):
        self.largest = max(getattr(self, 'largest', 0.), float(x.max()))
        return super().forward(x)


@pytest.mark.parametrize('strategy', [
    SPOS([EqualCostControl(1, schedule=ALWAYS)], evolution=SMALL), GDAS(candidates=2)])
def test_all_batches_go_the_way_of_lightning(strategy):
    space, data = Range(), Scaling()
    data.stages = set()
    trained = strategy.train(space, Lightning(Recorded(), evaluator().trainer, datamodule=data))
    assert 0 < space.largest <= 1
    data.stages.clear()
    trained.scorer()(trained.best())
    assert 0 < space.largest <= 1 and data.stages == {'RunningStage.VALIDATING'}


class Skipping(Recorded):
    """Skips each other batch."""

    def training_step(self, batch, batch_idx):
        output = super().training_step(batch, batch_idx)
        return None if batch_idx % 2 or batch[1][0] == 0 else output


@pytest.mark.parametrize('strategy', [
    SPOS([EqualCostControl(2, schedule=ALWAYS)], evolution=SMALL, metric='val_loss', mode='min'),
    FairNAS(evolution=SMALL, metric='val_loss', mode='min')])
def test_steps_that_skip_their_batch(strategy):
    trained = strategy.train(Net(), evaluator(Skipping()))
    assert all(parameter.isfinite().all() for parameter in trained.supernet.parameters())
    assert trained.best(1)


class ByHand(Recorded):
    """Optimises by hand."""

    @property
    def automatic_optimization(self):
        return False


def test_optimisation_by_hand_is_refused():
    with pytest.raises(ValueError, match='Expected a Lightning module that lets Lightning optim'):
        SPOS().train(Net(), evaluator(ByHand()))


class Two(Recorded):
    """Has an optimiser for each of its layers."""

    def configure_optimizers(self):
        return [torch.optim.SGD([one], 1.) for one in list(self.parameters())[:2]], []


def test_several_optimisers_are_refused():
    with pytest.raises(ValueError, match='Expected configure_optimizers of Two to return one op'):
        SPOS().train(Net(), evaluator(Two()))


def test_new_hooks_of_lightning_are_found(monkeypatch):
    assert 'on_train_start' in overridden_hooks(Recorded())
    assert not {'training_step', 'forward', 'log'} & set(overridden_hooks(Recorded()))
