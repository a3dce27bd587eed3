"""Losses and metrics without a trace, against the evaluator's own steps."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from nni.nas.evaluator.pytorch import (
    ClassificationModule,
    LightningModule,
    RegressionModule,
    Trainer,
)
from torch import nn
from torchmetrics import Accuracy, CatMetric, MeanMetric, Metric, MetricCollection

from nni_rankreg.evaluator import SGDClassificationModule
from nni_rankreg.supernet.quiet import (
    SkippedBatch,
    batch_metric,
    quiet_loss,
    validation_metric,
)


class Own(LightningModule):
    """A user's module: a dict as output, metrics in several places, log_dict."""

    def __init__(self, output='dict'):
        super().__init__()
        self.output = output
        self.mean = MeanMetric()
        self.seen = CatMetric()  # its state is a list
        self.metrics = MetricCollection([Accuracy('multiclass', num_classes=10)])

    def training_step(self, batch, batch_idx):
        x, y = batch
        logits = self.model(x)
        loss = nn.functional.cross_entropy(logits, y) + logits.square().mean()
        self.mean.update(loss)
        self.seen.update(loss.detach())
        self.log('mean', self.mean)
        self.log_dict(self.metrics(logits, y), prog_bar=True)
        return {'dict': {'loss': loss, 'other': 1}, 'tensor': loss, 'none': None,
                'text': 'loss'}[self.output]

    def validation_step(self, batch, batch_idx):
        self.training_step(batch, batch_idx)
        self.log('double', 2., on_epoch=True)


class Log(list):
    """Stands for the log of a trainer."""

    def log(self, name, value, *args, **kwargs):
        self.append((name, value))

    def log_dict(self, values, *args, **kwargs):
        self.extend(values.items())


def quiet_metric(module, batch, name):
    """Return the metric of a single batch, as a mean of it or as that of all batches."""
    entry = batch_metric(module, batch, 0, name)
    return torch.tensor(validation_metric(module, [batch], [1.], name) if entry is None
                        else entry.value)


def connected(module):
    """Return a copy of a module with a network and with a log."""
    torch.manual_seed(0)
    module, log = deepcopy(module), Log()
    module.set_model(nn.Sequential(nn.Flatten(), nn.Linear(192, 10)))
    module.log, module.log_dict, module.written = log.log, log.log_dict, log
    return module


def trace(module):
    """Return everything that a step may leave behind."""
    metrics = {name: (deepcopy(metric.metric_state), metric._update_count,
                      deepcopy(metric._forward_cache), deepcopy(metric._computed))
               for name, metric in module.named_modules() if isinstance(metric, Metric)}
    return repr(metrics), len(module.written)


@pytest.mark.parametrize('base', [
    ClassificationModule(num_classes=10), SGDClassificationModule(10), Own(), Own('tensor'),
    ClassificationModule(nn.MultiMarginLoss, num_classes=10)], ids=lambda one: type(one).__name__)
def test_loss_is_that_of_the_training_step_and_leaves_no_trace(base, make_batches):
    module, (first, second) = connected(base), make_batches()
    module.training_step(first, 0)  # metrics have a state to lose
    before = trace(module)
    loss = quiet_loss(module, second)
    assert trace(module) == before
    assert module.log == module.written.log and module.log_dict == module.written.log_dict
    loss.backward()
    gradient = module.model[1].weight.grad.clone()
    module.zero_grad()
    output = module.training_step(second, 0)
    expected = output['loss'] if isinstance(output, dict) else output
    expected.backward()
    assert trace(module) != before
    assert loss.item() == expected.item()
    assert torch.equal(gradient, module.model[1].weight.grad)


@pytest.mark.parametrize('base, name', [
    (ClassificationModule(num_classes=10), 'val_acc'),
    (ClassificationModule(num_classes=10), 'val_loss'),
    (SGDClassificationModule(10), 'val_acc'), (Own(), 'MulticlassAccuracy'), (Own(), 'double')])
def test_metric_is_that_of_the_validation_step_and_leaves_no_trace(base, name, make_batches):
    module, (first, second) = connected(base), make_batches()
    module.validation_step(first, 0)
    before = trace(module)
    value = quiet_metric(module, second, name)
    assert trace(module) == before
    module.written.clear()
    with torch.no_grad():
        module.validation_step(second, 0)
    assert value.item() == pytest.approx(float(dict(module.written)[name]))


def test_a_metric_object_that_is_logged_is_computed(make_batches):
    module, (batch,) = connected(Own('tensor')), make_batches([6])
    value = quiet_metric(module, batch, 'mean')
    assert value.item() == pytest.approx(quiet_loss(module, batch).item())
    assert module.mean._update_count == 0


def test_works_without_a_trainer_and_in_inference_mode(make_batches):
    module = ClassificationModule(num_classes=10)
    module.set_model(nn.Sequential(nn.Flatten(), nn.Linear(192, 10)))
    batch, = make_batches([6])
    with torch.inference_mode():
        accuracy = quiet_metric(module, batch, 'val_acc')
    logits = module(batch[0])
    assert accuracy.item() == pytest.approx(
        (logits.argmax(1) == batch[1]).float().mean().item())
    metric = module.metrics['acc']
    metric.update(logits, batch[1])  # the state is no inference tensor
    assert metric.compute() == pytest.approx(accuracy.item())
    assert 'log' not in vars(module)


def test_log_is_restored_after_an_error(make_batches):
    module = Own()
    module.set_model(nn.Identity())
    module.log = log = Log().log
    with pytest.raises((RuntimeError, ValueError)):
        quiet_loss(module, make_batches([6])[0])
    assert module.log == log and 'log_dict' not in vars(module)


def test_no_loss(make_batches):
    module = Own('none')
    module.set_model(nn.Sequential(nn.Flatten(), nn.Linear(192, 10)))
    with pytest.raises(SkippedBatch):
        quiet_loss(module, make_batches([6])[0])
    module.output = 'text'
    with pytest.raises(TypeError, match='Expected training_step .* return a loss, got str'):
        quiet_loss(module, make_batches([6])[0])


def test_unknown_metric(make_batches):
    module = RegressionModule()
    module.set_model(nn.Sequential(nn.Flatten(), nn.Linear(192, 10)))
    module.trainer = Trainer(accelerator='cpu', logger=False, enable_checkpointing=False)
    batch = (make_batches([6])[0][0], torch.zeros(6, 10))
    with pytest.raises(ValueError, match=r"one of \['val_loss', 'val_mse'\], got 'val_acc'"):
        quiet_metric(module, batch, 'val_acc')


def test_a_reduction_that_lightning_does_not_know(make_batches):
    class Module(ClassificationModule):
        def validation_step(self, batch, batch_idx):
            self.log('val_median', 1., reduce_fx=torch.median)

    module = connected(Module(num_classes=10))
    with pytest.raises(ValueError, match='Expected reduce_fx of a metric to be mean, sum, max'):
        quiet_metric(module, make_batches([6])[0], 'val_median')


def test_metrics_of_the_network_itself_are_not_looked_for(make_batches):
    """A super-net has thousands of modules: walking them in each step would cost."""
    module = ClassificationModule(num_classes=10)

    class Network(nn.Flatten):
        def modules(self):
            raise AssertionError('walked')

    module.set_model(Network())
    quiet_metric(module, (torch.zeros(2, 10), torch.zeros(2, dtype=torch.long)), 'val_loss')
