"""Recorded passes: against plain ones, with a trace of PyTorch in CUDA's place, and on a GPU."""

from __future__ import annotations

import pytest
import pytorch_lightning as pl
import torch
from nni.nas.evaluator.pytorch import ClassificationModule
from torch.fx.experimental.proxy_tensor import make_fx

from nni_rankreg.data import HeldOut, Loaders
from nni_rankreg.regularizer import EqualCostControl, LandmarkRegularizer, TermContext
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.schedule import Schedule
from nni_rankreg.supernet import SuperNetModule, recorded
from nni_rankreg.typing import Results

ALWAYS = Schedule('constant', warmup=0)


class Tape:
    """Record as CUDA does: what is computed alone, in memory that a backward pass uses up."""

    def __init__(self):
        self.recorded = 0

    def __call__(self, module, arguments):
        (images, labels), = arguments
        parameters = list(module.parameters())
        self.recorded += 1

        def both(images, labels):
            loss = module((images, labels))
            return loss, *torch.autograd.grad(loss, parameters)

        replay, memory = make_fx(both)(images, labels), []

        class Replay(torch.autograd.Function):
            @staticmethod
            def forward(ctx, new_images, new_labels, *_):
                images.copy_(new_images)
                labels.copy_(new_labels)
                loss, *memory[:] = replay(images, labels)
                return loss.detach()

            @staticmethod
            def backward(ctx, gradient):
                found = [gradient * one for one in memory]
                memory[:] = [one * torch.nan for one in memory]
                return None, None, *found

        module.forward = lambda batch: Replay.apply(*batch, *parameters)
        return module


@pytest.fixture
def tape(monkeypatch):
    """Let passes on the CPU be recorded."""
    tape = Tape()
    monkeypatch.setattr(recorded, '_DEVICE', 'cpu')
    monkeypatch.setattr(torch.cuda, 'make_graphed_callables', tape)
    return tape


@pytest.fixture
def trained(make_supernet, make_loader):
    """Return a function that trains a super-net and returns it with what is in its buffers."""
    def train(regularizers, fits=1, device='cpu', accumulate=1, **kwargs):
        training, ranking = make_loader(24, 8), make_loader(20, 8, seed=1)
        terms = [one.term(TermContext()) for one in regularizers(results(make_supernet()))]
        loaders = Loaders(HeldOut(ranking))
        module = SuperNetModule(
            ClassificationModule(learning_rate=.1, optimizer=torch.optim.SGD, num_classes=10),
            terms, loaders=loaders, seed=6, **kwargs)
        module.set_model(make_supernet())
        for _ in range(fits):
            trainer = pl.Trainer(
                max_epochs=3, logger=False, enable_checkpointing=False, accelerator=device,
                devices=1, enable_progress_bar=False, enable_model_summary=False,
                accumulate_grad_batches=accumulate,
                precision='64-true')  # rounding would grow, as hinges flip
            trainer.fit(module, loaders.train(lambda: training))
            for parameter in module.parameters():  # as if the super-net had been elsewhere
                parameter.data = parameter.data.clone()
        return module.state_dict()
    return train


def results(space, count=4):
    """Return landmarks in an order that the super-net does not have at first."""
    samples = UniformSampler(space, seed=9).distinct(count)
    return Results(samples, [float(index) for index in range(count)])


def one_term(known):
    return [LandmarkRegularizer(known, pairs=2, schedule=ALWAYS)]


def two_terms(known):
    """Several have the same landmarks in a step, and a third asks for others."""
    return [*one_term(known), LandmarkRegularizer(known, pairs=3, schedule=ALWAYS, seed=1),
            EqualCostControl(2, schedule=ALWAYS)]


@pytest.mark.slow
@pytest.mark.parametrize('regularizers, fits', [(one_term, 1), (two_terms, 1), (one_term, 2)])
def test_training_is_the_same(regularizers, fits, trained, tape):
    """The last batch of the ranking loader is smaller; running statistics count each pass once."""
    expected = trained(regularizers, fits)
    assert tape.recorded == 0
    found = trained(regularizers, fits, cuda_graphs=True)
    assert tape.recorded == 4 * fits
    assert found.keys() == expected.keys()
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-8, atol=1e-8)


def test_a_pass_that_cannot_be_recorded(trained, tape, monkeypatch):
    def fails(*_):
        raise RuntimeError('operation not permitted when stream is capturing')
    monkeypatch.setattr(torch.cuda, 'make_graphed_callables', fails)
    with pytest.raises(RuntimeError, match='Expected a training step that CUDA can record.*'
                                           'stream is capturing.*cuda_graphs=False'):
        trained(one_term, cuda_graphs=True)


def test_nothing_is_recorded_on_a_cpu(trained, monkeypatch):
    monkeypatch.delattr(torch.cuda, 'make_graphed_callables')
    trained(one_term, cuda_graphs=True)


def test_nothing_is_recorded_where_gradients_are_accumulated(trained, tape):
    trained(one_term, accumulate=2, cuda_graphs=True)
    assert tape.recorded == 0


@pytest.mark.gpu
@pytest.mark.parametrize('regularizers', [one_term, two_terms])
def test_on_a_gpu(regularizers, trained):
    expected = trained(regularizers, device='gpu')
    found = trained(regularizers, device='gpu', cuda_graphs=True)
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-6, atol=1e-6)
