"""The stand-alone training recipes, against torch and NNI."""

from __future__ import annotations

import math

import nni
import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from nni.nas.evaluator.pytorch import DataLoader
from nni.nas.space import SimplifiedModelSpace
from torch import nn
from torch.utils.data import TensorDataset

from nni_rankreg.batch_norm import batch_statistics
from nni_rankreg.data import DepthImages, Digits, ImageTensors, image_loader
from nni_rankreg.evaluator import (
    ACENAS_SUPERNET,
    IMAGENET_LINEAR,
    Classification,
    DepthEvaluator,
    DepthModule,
    LearningRateSchedule,
    SGDClassificationModule,
)
from nni_rankreg.host.network.subnet import extract
from nni_rankreg.loss import ScaleShiftInvariantLoss
from nni_rankreg.metric import aligned_delta, aligned_rmse
from nni_rankreg.regularizer import LandmarkRegularizer
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.schedule import Schedule
from nni_rankreg.space import DepthDecoder, decode_depth
from nni_rankreg.strategy import SPOS
from nni_rankreg.typing import Results

FAST = dict(enable_progress_bar=False, accelerator='cpu')


class Recorder(pl.Callback):
    def __init__(self):
        self.rates, self.norms, self.steps = [], [], []

    def on_train_batch_start(self, trainer, *_):
        self.steps.append(trainer.optimizers[0].param_groups[0]['lr'])

    def on_train_epoch_start(self, trainer, module):
        self.rates.append(trainer.optimizers[0].param_groups[0]['lr'])

    def on_train_batch_end(self, trainer, module, *_):
        gradients = [one.grad.norm() for one in module.parameters() if one.grad is not None]
        self.norms.append(torch.stack(gradients).norm().item())


@pytest.fixture
def make():
    """Return a function that makes an evaluator of a few digits."""
    def evaluator(**kwargs):
        digits = Digits('train')
        data = ImageTensors(digits.images[:48], digits.labels[:48])
        return Classification(image_loader(data, 16, shuffle=True), image_loader(data, 48),
                              **{'num_classes': 10, 'max_epochs': 2, **FAST, **kwargs})
    return evaluator


def network():
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 10))


def test_learning_rate_is_a_cosine_over_the_epochs(make):
    recorder = Recorder()
    evaluator = make(max_epochs=5, learning_rate=0.4, schedule=LearningRateSchedule(0.1),
                     callbacks=[recorder])
    evaluator.evaluate(network())
    assert recorder.rates == pytest.approx(
        [0.1 + 0.3 * 0.5 * (1 + math.cos(math.pi * epoch / 5)) for epoch in range(5)])
    optimizer = evaluator.trainer.optimizers[0]
    assert type(optimizer) is torch.optim.SGD and len(evaluator.trainer.optimizers) == 1
    group = optimizer.param_groups[0]
    assert (group['momentum'], group['weight_decay']) == (0.9, 5e-4)


def cosine(progress):
    return 0.5 * (1 + math.cos(math.pi * progress))


def linear(progress):
    return 1 - progress


@pytest.mark.parametrize('recipe, start, decay, epochs', [
    (ACENAS_SUPERNET, 0., cosine, 360), (IMAGENET_LINEAR, 0.1, linear, 50)])
def test_published_learning_rates(recipe, start, decay, epochs, make):
    """Five epochs of warm-up in a line, then the decay to 0, in each of 3 steps of an epoch."""
    recorder, peak = Recorder(), recipe['learning_rate']
    assert recipe['max_epochs'] == epochs and recipe['schedule'].warmup_epochs == 5
    make(**{**recipe, 'max_epochs': 9, 'callbacks': [recorder], 'limit_val_batches': 1}
         ).evaluate(network())
    rise = [start + (peak - start) * step / 15 for step in range(15)]
    fall = [peak * decay(step / 12) for step in range(12)]
    assert recorder.steps == pytest.approx(rise + fall, abs=1e-6)


def test_warmup_per_epoch_and_a_minimum(make):
    recorder = Recorder()
    schedule = LearningRateSchedule(0.1, 'linear', warmup_epochs=2, warmup_start=0.2)
    make(max_epochs=4, learning_rate=0.4, schedule=schedule, callbacks=[recorder]
         ).evaluate(network())
    assert recorder.rates == pytest.approx([0.2, 0.3, 0.4, 0.25])


def test_warmup_must_leave_an_epoch(make):
    with pytest.raises(ValueError, match='Expected more epochs than the 2 of the warm-up, got'):
        make(max_epochs=2, schedule=LearningRateSchedule(warmup_epochs=2)).evaluate(network())


def test_decay_must_be_known():
    with pytest.raises(ValueError, match="Expected a decay 'cosine' or 'linear', got 'step'"):
        LearningRateSchedule(decay='step')


def test_labels_are_smoothed_in_training_only(make):
    evaluator = make(label_smoothing=0.1, max_epochs=1, learning_rate=1e-12, momentum=0.)
    evaluator.evaluate(network())
    x, y = next(iter(evaluator.val_dataloaders))
    log = evaluator.module(x).log_softmax(1)
    smooth = -(0.9 * log.gather(1, y[:, None]).mean() + 0.1 * log.mean())
    evaluator.module.log = lambda *args, **kwargs: None
    assert evaluator.module.training_step((x, y), 0).item() == pytest.approx(smooth.item())
    assert evaluator.trainer.callback_metrics['val_loss'].item() == pytest.approx(
        nn.functional.nll_loss(log, y).item())


def test_gradients_are_clipped_at_5(make):
    recorder = Recorder()
    big = network()
    big[1].weight.data *= 1000
    make(callbacks=[recorder], max_epochs=1).evaluate(big)
    assert max(recorder.norms) == pytest.approx(5, rel=1e-4)


def test_training_is_that_of_a_plain_loop(make):
    """In order, without momentum tricks of our own: torch's SGD, cross-entropy, clipping."""
    evaluator, model = make(max_epochs=1, momentum=0.5, weight_decay=0.1, learning_rate=0.1,
                            seed=None), network()
    copy = network()
    copy.load_state_dict(model.state_dict())
    torch.manual_seed(3)
    evaluator.evaluate(model)
    torch.manual_seed(3)
    optimizer = torch.optim.SGD(copy.parameters(), 0.1, momentum=0.5, weight_decay=0.1)
    for x, y in evaluator.train_dataloaders:
        optimizer.zero_grad()
        nn.functional.cross_entropy(copy(x), y).backward()
        nn.utils.clip_grad_norm_(copy.parameters(), 5.)
        optimizer.step()
    torch.testing.assert_close(model[1].weight, copy[1].weight)


def test_accuracy_is_measured_in_validation_only(make):
    evaluator = make()
    evaluator.evaluate(network())
    metrics = evaluator.trainer.callback_metrics
    assert {'train_loss', 'val_loss', 'val_acc'} <= set(metrics) and 'train_acc' not in metrics
    x, y = next(iter(evaluator.val_dataloaders))
    accuracy = (evaluator.module(x).argmax(1) == y).float().mean()
    assert metrics['val_acc'].item() == pytest.approx(accuracy.item())


@pytest.mark.parametrize('seeds, same', [((0, 0), True), ((0, 1), False), ((None, None), False)])
def test_a_seed_makes_a_trial_repeatable(seeds, same, make, make_space):
    outcomes = []
    for run, seed in enumerate(seeds):
        torch.manual_seed(run)
        evaluator, space = make(seed=seed), make_space()
        sample = UniformSampler(space, seed=2).sample()
        # The form that is sent to trials: its weights are made there.
        SimplifiedModelSpace.from_model(space, evaluator).freeze(sample).execute()
        outcomes.append(evaluator.trainer.callback_metrics['val_loss'].item())
    assert (outcomes[0] == outcomes[1]) is same


def test_nothing_is_written(make, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make().evaluate(network())
    assert list(tmp_path.iterdir()) == []


def test_trainer_options_are_passed_on(make):
    trainer = make(gradient_clip_val=1., limit_val_batches=0).trainer
    assert trainer.gradient_clip_val == 1. and trainer.limit_val_batches == 0


def test_evaluators_travel_to_trials():
    evaluator = Classification(
        image_loader(Digits('train'), 64, shuffle=True), image_loader(Digits('validation'), 300),
        num_classes=10, seed=4, learning_rate=0.3, schedule=LearningRateSchedule(0.2),
        max_epochs=7, **FAST)
    copy = nni.load(nni.dump(evaluator))
    assert (copy.seed, copy.trainer.max_epochs, copy.module.hparams.learning_rate) == (4, 7, 0.3)
    assert copy.module.schedule == LearningRateSchedule(0.2)
    assert isinstance(copy.module, SGDClassificationModule)
    assert len(copy.train_dataloaders.dataset) == 897


# Depth

def disparities():
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(8, 3, 32, 32, generator=generator)
    truth = images[:, 0].abs() + 0.1
    return images, truth.masked_fill(torch.rand(truth.shape, generator=generator) < 0.2, 0)


class DepthNetwork(nn.Module):
    """A backbone and another layer; the learning rates tell them apart."""

    def __init__(self):
        super().__init__()
        self.backbone, self.head = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 1, 1)

    def forward(self, images):
        return self.head(self.backbone(images).relu())[:, 0]


@pytest.fixture
def make_depth():
    """Return a function that makes an evaluator of random depth maps."""
    def evaluator(**kwargs):
        data = TensorDataset(*disparities())
        return DepthEvaluator(DataLoader(data, 2), DataLoader(data, 3),
                              **{'max_epochs': 2, **FAST, **kwargs})
    return evaluator


@pytest.mark.parametrize('epochs, steps', [(6, [2, 2, 2]), (7, [3, 3, 1]), (1, [1])])
def test_depth_learning_rates_fall_by_10_after_each_third(epochs, steps, make_depth):
    recorder = Recorder()
    evaluator = make_depth(max_epochs=epochs, callbacks=[recorder], learning_rate=0.1,
                           backbone_learning_rate=0.02, weight_decay=0.3)
    evaluator.evaluate(DepthNetwork())
    expected = [0.1 / 10 ** third for third, count in enumerate(steps) for _ in range(count)]
    assert recorder.rates == pytest.approx(expected)
    optimizer, = evaluator.trainer.optimizers
    head, backbone = optimizer.param_groups
    assert type(optimizer) is torch.optim.Adam and head['weight_decay'] == 0.3
    assert backbone['lr'] == pytest.approx(head['lr'] / 5)
    network = evaluator.module.model
    assert [list(map(id, group['params'])) for group in (head, backbone)] == [
        list(map(id, part.parameters())) for part in (network.head, network.backbone)]


def test_a_frozen_backbone_keeps_its_weights(make_depth):
    network = DepthNetwork()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    make_depth(backbone_learning_rate=0., learning_rate=0.1).evaluate(network)
    changed = {name for name, value in network.state_dict().items()
               if not torch.equal(value, before[name])}
    assert changed == {'head.weight', 'head.bias'}


def test_depth_training_is_that_of_a_plain_loop(make_depth):
    evaluator, network, copy = make_depth(max_epochs=1, seed=None), DepthNetwork(), DepthNetwork()
    copy.load_state_dict(network.state_dict())
    evaluator.evaluate(network)
    optimizer = torch.optim.Adam([
        dict(params=copy.head.parameters(), lr=1e-4),
        dict(params=copy.backbone.parameters(), lr=1e-5)])
    for x, y in evaluator.train_dataloaders:
        optimizer.zero_grad()
        ScaleShiftInvariantLoss()(copy(x), y, y > 0).backward()
        nn.utils.clip_grad_norm_(copy.parameters(), 5.)
        optimizer.step()
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, copy.state_dict()[name])


def test_depth_metrics_are_means_over_the_images(make_depth, monkeypatch):
    evaluator, network, reports = make_depth(), DepthNetwork(), []
    monkeypatch.setattr(nni, 'get_current_parameter', dict)
    monkeypatch.setattr(nni, 'report_intermediate_result', reports.append)
    monkeypatch.setattr(nni, 'report_final_result', reports.append)
    evaluator.evaluate(network)
    images, truth = disparities()
    with torch.no_grad():
        predictions = network.eval()(images)
    expected = {'loss': ScaleShiftInvariantLoss()(predictions, truth).item(),
                'rmse': aligned_rmse(predictions, truth).mean().item(),
                'delta': aligned_delta(predictions, truth).mean().item()}
    assert len(reports) == 3 and reports[-1] == pytest.approx(
        {'default': expected['loss'], **expected}, rel=1e-5)
    metrics = evaluator.trainer.callback_metrics
    assert {f'val_{name}' for name in expected} | {'train_loss'} == set(metrics)


def test_a_batch_without_depth_does_not_spoil_the_metrics(make_depth):
    images, truth = disparities()
    truth[:3] = 0
    evaluator = make_depth()
    evaluator.val_dataloaders = DataLoader(TensorDataset(images, truth), 3)
    evaluator.train_dataloaders = None                       # then NNI validates only
    network = DepthNetwork().eval()
    evaluator.evaluate(network)
    with torch.no_grad():
        expected = aligned_rmse(network(images[3:]), truth[3:]).mean().item()
    assert evaluator.trainer.callback_metrics['val_rmse'].item() == pytest.approx(expected)


@pytest.mark.slow
@pytest.mark.parametrize('regularizers', [(), [LandmarkRegularizer(
    Results([decode_depth('|none~0|conv_3x3~1|+|none~0|none~1|conv_1x1~2|'),
             decode_depth('|none~0|none~1|+|none~0|none~1|none~2|')], [0.3, 0.9]), mode='min',
    schedule=Schedule('constant', warmup=0))]], ids=['plain', 'landmarks'])
def test_supernet_of_depth_networks(regularizers, make_depth):
    """A super-net of the space is trained and scored by the loss of the evaluator."""
    space = DepthDecoder(backbone='shufflenet_v2_x0_5', channels=8, non_negative=False)
    strategy = SPOS(regularizers, mode='min', seed=1)
    evaluator = make_depth(learning_rate=1e-3)
    trained = strategy.train(space, evaluator)
    assert len(trained.history) == 2
    samples, (images, truth) = UniformSampler(space, seed=3).distinct(3), disparities()
    for sample, score in zip(samples, trained.scorer()(samples).tolist()):
        network = extract(space, sample)
        with torch.no_grad(), batch_statistics(network):
            # In the scorer's layout: batch normalisation of three images magnifies rounding.
            losses = [ScaleShiftInvariantLoss()(
                network(x.to(memory_format=torch.channels_last)), y).item() * len(x)
                for x, y in zip(images.split(3), truth.split(3))]
        assert score == pytest.approx(-sum(losses) / 8, rel=1e-5)


def test_depth_evaluators_travel_to_trials(tmp_path):
    np.savez(tmp_path / 'a.npz', val_rgb=np.zeros((2, 8, 8, 3), np.uint8),
             val_depth_mm=np.ones((2, 8, 8), np.uint16))
    loader = image_loader(DepthImages(str(tmp_path / 'a.npz'), 'val', size=(32, 32)), 2)
    copy = nni.load(nni.dump(DepthEvaluator(loader, loader, seed=4, learning_rate=0.3,
                                            max_epochs=7, **FAST)))
    assert (copy.seed, copy.trainer.max_epochs, copy.module.hparams.learning_rate) == (4, 7, 0.3)
    assert isinstance(copy.module, DepthModule) and len(copy.val_dataloaders.dataset) == 2
