"""A training that was interrupted ends as if it had not been: weights, draws and ranking."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from functools import partial

import pytest
import pytorch_lightning as pl
import torch
from nni.nas.evaluator.pytorch import Lightning, Trainer

from nni_rankreg.data import HeldOut, ImageTensors, image_loader
from nni_rankreg.evaluator import SGDClassificationModule
from nni_rankreg.predictor import NAOController
from nni_rankreg.regularizer import (
    EqualCostControl,
    LandmarkRegularizer,
    RankingDistillation,
    TermContext,
)
from nni_rankreg.sampler import MarginPairSampler, SandwichSampler, UniformSampler
from nni_rankreg.schedule import Schedule
from nni_rankreg.search import Evolution
from nni_rankreg.space import NasBench201
from nni_rankreg.strategy import DARTS, GDAS, NAO, SPOS, FairNAS
from nni_rankreg.typing import Results

pytestmark = pytest.mark.slow
EPOCHS, STOP = 4, 2  # the checkpoint is that of the end of epoch 1
SMALL = Evolution(4, 8, 2, progress=False)
ALWAYS = Schedule('constant', warmup=0)
SAMPLES = UniformSampler(NasBench201(2, 1, 10), seed=8).distinct(6)
TRUTH = Results(SAMPLES, [0.1 * index for index in range(6)])


def landmarks(metrics=(.3, .2, .1)):
    return LandmarkRegularizer(Results(SAMPLES[:3], list(metrics)), schedule=ALWAYS)


def distillation():
    return RankingDistillation('naswot', MarginPairSampler('hamming', 4), schedule=ALWAYS)


# Ranking batches of 6, two passes in three steps, so that a checkpoint lies inside a pass.
STRATEGIES = {
    'SPOS': partial(SPOS, evolution=SMALL),
    'SPOS with everything': lambda **kwargs: SPOS(
        [landmarks(), distillation()], evolution=SMALL, truth=TRUTH, held_out=HeldOut(batch_size=6),
        **kwargs),
    'sandwich': partial(SPOS, sampler=SandwichSampler, evolution=SMALL),
    'FairNAS': lambda **kwargs: FairNAS([EqualCostControl(1, schedule=Schedule(warmup=1))],
                                        evolution=SMALL, held_out=HeldOut(batch_size=6), **kwargs),
    'GDAS': lambda **kwargs: GDAS([landmarks()], candidates=5, arc_learning_rate=.1,
                                  held_out=HeldOut(batch_size=6), **kwargs),
    'DARTS': lambda **kwargs: DARTS([landmarks()], candidates=5, arc_learning_rate=.1, **kwargs),
    'NAO': lambda **kwargs: NAO([landmarks()], pool=5, proposals=3, warmup=1, pool_share=0.7,
                                controller=partial(NAOController, steps=10, width=16), **kwargs),
}


class Interruption(pl.Callback):
    """Ends the training in the middle of an epoch."""

    def __init__(self, how):
        self.how = how

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        if (trainer.current_epoch, batch_idx) == (STOP, 1):
            if self.how == 'kill':
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError('The disk is full.')


class Data(pl.LightningDataModule):
    """Makes its loaders late, when Lightning asks for them."""

    def train_dataloader(self):
        return loaders()['train_dataloaders']

    def val_dataloader(self):
        return loaders()['val_dataloaders']


def loaders():
    generator = torch.Generator().manual_seed(0)
    images, labels = torch.randn(28, 3, 8, 8, generator=generator), torch.arange(28) % 10
    return {'train_dataloaders': image_loader(
                ImageTensors(images, labels, flip=True, padding=1), 8, shuffle=True),
            'val_dataloaders': image_loader(ImageTensors(images[:10], labels[:10]), 5)}


def train(name, folder, how=None, datamodule=False):
    """Train a super-net; return its weights, the architectures of each epoch and the best ones."""
    torch.manual_seed(1)
    strategy = STRATEGIES[name](checkpoint_folder=folder)
    data = {'datamodule': Data()} if datamodule else loaders()
    module = SGDClassificationModule(10)  # with momentum, and a rate that falls
    evaluator = Lightning(module, Trainer(
        max_epochs=EPOCHS, callbacks=[Interruption(how)] if how else [], accelerator='cpu',
        gradient_clip_val=5., logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False), **data)
    activated, make = [], strategy.make_module

    def watched(*args, **options):
        module = make(*args, **options)
        activate = module.activate

        def remember(sample):
            if module.trainer.training:
                activated.append((module.trainer.current_epoch, sample))
            activate(sample)

        module.activate = remember
        return module

    strategy.make_module = watched
    trained = strategy.train(NasBench201(2, 1, 10), evaluator)
    module = trained.module
    return {'weights': {key: value.tolist() for key, value in module.state_dict().items()},
            'activated': activated, 'history': module.history, 'measured': trained.measured,
            'best': [[one, one.score] for one in trained.best()]}


def check(resumed, whole):
    last = [one for one in whole['activated'] if one[0] >= STOP]
    assert resumed['activated'] == last and (last or not whole['activated'])
    for name in ('weights', 'history', 'measured', 'best'):
        assert resumed[name] == whole[name], name
    assert len(whole['history']) == EPOCHS and whole['best']


@pytest.mark.parametrize('name, datamodule', [
    *((name, False) for name in STRATEGIES), ('SPOS with everything', True)])
def test_continued_after_an_error(name, datamodule, tmp_path):
    with pytest.raises(OSError, match='The disk is full'):
        train(name, tmp_path, 'raise', datamodule)
    assert [path.name for path in tmp_path.iterdir()] == ['last.ckpt']
    checkpoint = torch.load(tmp_path / 'last.ckpt', weights_only=True)
    assert checkpoint['epoch'] == STOP - 1
    check(train(name, tmp_path, datamodule=datamodule), train(name, None, datamodule=datamodule))


def child(name, folder, how):
    torch.set_num_threads(1)
    (folder / 'result.json').write_text(json.dumps(train(name, folder / 'state', how)))


def test_continued_after_a_kill(tmp_path):
    for how, code in (('kill', -signal.SIGKILL), (None, 0)):
        process = multiprocessing.get_context('fork').Process(target=child,
                                                              args=('GDAS', tmp_path, how))
        process.start()
        process.join()
        assert process.exitcode == code
        assert (tmp_path / 'result.json').exists() is (code == 0)
    resumed = json.loads((tmp_path / 'result.json').read_text())
    check(resumed, json.loads(json.dumps(train('GDAS', None))))


def test_a_finished_training_is_not_repeated(tmp_path):
    first = train('SPOS with everything', tmp_path)
    again = train('SPOS with everything', tmp_path)
    assert again['activated'] == []
    assert {**again, 'activated': 0} == {**first, 'activated': 0}


def test_a_checkpoint_of_another_training_is_refused(tmp_path, monkeypatch):
    train('SPOS with everything', tmp_path)
    for changed, message in [
            (lambda **kwargs: SPOS([landmarks()], **kwargs), 'the same regularisers'),
            (lambda **kwargs: SPOS([landmarks((.1, .2, .3)), distillation()], **kwargs),
             'the same stand-alone results, 3 with hash .*Remove it, or choose another'),
            (partial(SPOS, seed=3), 'the same seed, 3, got one with 0')]:
        monkeypatch.setitem(STRATEGIES, 'other', changed)
        with pytest.raises(ValueError, match=message):
            train('other', tmp_path)

    path = tmp_path / 'last.ckpt'
    checkpoint = torch.load(path, weights_only=True)
    del checkpoint['nni_rankreg']
    torch.save(checkpoint, path)
    with pytest.raises(ValueError, match='Expected a checkpoint of a super-net training by'):
        train('SPOS with everything', tmp_path)


def test_regularisers_without_state_need_nothing():
    one = EqualCostControl(1, schedule=ALWAYS).term(TermContext())
    one.load_state_dict(one.state_dict())
    assert one.state_dict() == {}
