"""Super-nets in training: a module around one, and a trainer that says what has happened."""

from __future__ import annotations

import pytest
import pytorch_lightning as pl
import torch
from nni.nas.evaluator.pytorch import ClassificationModule

from nni_rankreg.data import HeldOut, Loaders
from nni_rankreg.supernet import SuperNetModule

RATE, CLIP = 0.1, 0.5


class Recorder(pl.Callback):
    """Keep the gradients before they are clipped, and what is logged in each step."""

    def __init__(self):
        self.norms, self.without_gradient, self.ranking = [], [], []

    def on_before_optimizer_step(self, trainer, module, optimizer):
        gradients = [one.grad for one in module.parameters() if one.grad is not None]
        self.norms.append(torch.stack([one.norm() for one in gradients]).norm().item())
        self.without_gradient.append({name for name, one in module.training_module.model
                                      .named_parameters() if one.grad is None})

    def on_train_batch_end(self, trainer, module, *_):
        self.ranking.append(trainer.callback_metrics.get('ranking_loss', torch.tensor(-1.)).item())


@pytest.fixture
def make_module(make_supernet):
    """Return a function that makes the module of a super-net, with plain SGD."""
    def make(*args, kind=SuperNetModule, base=ClassificationModule, held_out=None, **kwargs):
        loaders = Loaders(None if held_out is None else HeldOut(held_out))
        module = kind(base(learning_rate=RATE, optimizer=torch.optim.SGD, num_classes=10),
                      *args, loaders=loaders, **kwargs)
        module.set_model(make_supernet())
        return module
    return make


@pytest.fixture
def fit():
    """Return a function that trains a module with Lightning, unordered batches in order."""
    def run(module, train, validation=None, **kwargs):
        recorder, loaders = Recorder(), module.loaders
        options = dict(max_epochs=1, logger=False, enable_checkpointing=False, accelerator='cpu',
                       enable_progress_bar=False, enable_model_summary=False,
                       num_sanity_val_steps=0, gradient_clip_val=CLIP)
        trainer = pl.Trainer(callbacks=[recorder], **{**options, **kwargs})
        trainer.fit(module, loaders.train(lambda: train),
                    None if validation is None else loaders.validate(lambda: validation))
        recorder.trainer = trainer
        return recorder
    return run
