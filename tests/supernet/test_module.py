"""The training step of the super-net, against a plain loop with NNI's frozen choices."""

from __future__ import annotations

import nni
import pytest
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from nni.nas.evaluator.pytorch import ClassificationModule
from nni.nas.oneshot.pytorch.supermodule.base import BaseSuperNetModule
from torch.utils.data import DataLoader

from nni_rankreg.regularizer import EqualCostControl, LandmarkRegularizer, TermContext
from nni_rankreg.sampler import FairSampler, PairSampler, UniformSampler
from nni_rankreg.schedule import Schedule
from nni_rankreg.supernet.probe import Measurement
from nni_rankreg.typing import Results

RATE, CLIP, WEIGHT = 0.1, 0.5, 3.  # the first two as in `fit`
ALWAYS = Schedule('constant', warmup=0)


def terms(*regularizers):
    """Return the terms of a training."""
    return [one.term(TermContext()) for one in regularizers]


def path_loss(supernet, sample, batch):
    """Return the loss of an architecture, activated in NNI's way."""
    for module in supernet.modules():
        if isinstance(module, BaseSuperNetModule):
            module.resample(memo=sample)
    return F.cross_entropy(supernet(batch[0]), batch[1])


def naive_training(supernet, batches, samples, ranking, results, pairs):
    """Train by separate backward passes that accumulate; return the norms of the gradients."""
    optimizer, norms = torch.optim.SGD(supernet.parameters(), RATE), []
    for step, (batch, sample) in enumerate(zip(batches, samples)):
        optimizer.zero_grad()
        path_loss(supernet.train(), sample, batch).backward()
        for better, worse in pairs[step]:
            held_out = ranking[step % len(ranking)]
            difference = (path_loss(supernet, results.samples[better], held_out)
                          - path_loss(supernet, results.samples[worse], held_out))
            (WEIGHT * F.relu(difference)).backward()
        norms.append(torch.nn.utils.clip_grad_norm_(supernet.parameters(), CLIP).item())
        optimizer.step()
    return norms


def landmarks(supernet, batch, concordant):
    """Return landmarks whose order is the one by the super-net's losses, or its reverse."""
    samples = UniformSampler(supernet, seed=9).distinct(4)
    losses = [path_loss(supernet.train(), sample, batch).item() for sample in samples]
    return Results(samples, [-loss if concordant else loss for loss in losses])


@pytest.mark.parametrize('regularised', [False, True])
@pytest.mark.parametrize('pairs', [1, None])
def test_training_is_that_of_the_formula(regularised, pairs, make_module, make_supernet,
                                         make_loader, fit):
    train, ranking = make_loader(24, 8), make_loader(16, 8, seed=1)
    reference = make_supernet()
    results = landmarks(make_supernet(), next(iter(ranking)), concordant=False)
    landmark = LandmarkRegularizer(results, weight=WEIGHT, pairs=pairs, schedule=ALWAYS, seed=4)
    module = make_module(terms(landmark) if regularised else [], held_out=ranking, seed=6)
    record = fit(module, train)

    sampler, drawer = UniformSampler(reference, seed=6), PairSampler(4)
    drawn = [drawer.sample(results.metrics, pairs or 6).tolist() if regularised else []
             for _ in range(3)]
    norms = naive_training(reference, train, [sampler.sample() for _ in range(3)],
                           list(ranking), results, drawn)
    assert record.norms == pytest.approx(norms, rel=1e-4)
    for one, other in zip(module.model.parameters(), reference.parameters()):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    assert (record.ranking[0] > 0) is regularised
    assert max(norms) > CLIP  # otherwise clipping is not tested


def test_losses_of_several_architectures_are_added(make_module, make_supernet, make_space,
                                                   make_loader, fit):
    train, reference = make_loader(16, 8), make_supernet()
    fit_record = fit(module := make_module(sampler=FairSampler(make_space(), 3)), train)
    sampler, norms = FairSampler(make_space(), 3), []
    optimizer = torch.optim.SGD(reference.parameters(), RATE)
    for batch in train:
        optimizer.zero_grad()
        for sample in sampler.paths():
            path_loss(reference.train(), sample, batch).backward()
        norms.append(torch.nn.utils.clip_grad_norm_(reference.parameters(), CLIP).item())
        optimizer.step()
    assert fit_record.norms == pytest.approx(norms, rel=1e-4)
    for one, other in zip(module.model.parameters(), reference.parameters()):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_an_inactive_hinge_has_no_gradient(make_module, make_supernet, make_loader, fit):
    train, ranking = make_loader(8, 8), make_loader(8, 8, seed=1)
    records = []
    for concordant in (True, False):
        results = landmarks(make_supernet(), next(iter(ranking)), concordant)
        landmark = LandmarkRegularizer(results, weight=WEIGHT, pairs=None, schedule=ALWAYS)
        records.append(fit(make_module(terms(landmark), held_out=ranking), train))
    plain = fit(make_module(), train)
    inactive, active = records
    assert inactive.ranking == [0.] and active.ranking[0] > 0 and plain.ranking == [-1.]
    assert inactive.norms == plain.norms != active.norms
    assert inactive.without_gradient == plain.without_gradient
    assert active.without_gradient[0] < plain.without_gradient[0]


def test_the_control_costs_as_much_as_a_pair(make_module, make_supernet, make_loader, fit):
    train, ranking, forwards = make_loader(32, 8), make_loader(16, 8, seed=1), []
    schedule = Schedule(warmup=1)
    results = landmarks(make_supernet(), next(iter(ranking)), True)
    for regularizers in ([], [EqualCostControl(2, schedule=schedule)],
                         [LandmarkRegularizer(results, pairs=1, schedule=schedule)]):
        module, calls = make_module(terms(*regularizers), held_out=ranking), []
        module.model.register_forward_hook(lambda *_: calls.append(module.trainer.current_epoch))
        fit(module, train, max_epochs=2)
        forwards.append([calls.count(epoch) for epoch in (0, 1)])
    assert forwards == [[4, 4], [4, 12], [4, 12]]


class Counted:
    """A loader that knows how often it was started."""

    def __init__(self, loader):
        self.loader, self.started, self.batches = loader, 0, 0

    def __iter__(self):
        self.started += 1
        for batch in self.loader:
            self.batches += 1
            yield batch


def test_held_out_batches_are_drawn_only_when_needed(make_module, make_loader, fit):
    ranking = Counted(make_loader(16, 8))  # 2 batches, 3 steps an epoch
    module = make_module(terms(EqualCostControl(1, schedule=Schedule(warmup=1))),
                         held_out=ranking)
    fit(module, make_loader(24, 8), max_epochs=1 + 2)
    assert (ranking.batches, ranking.started) == (6, 3)


@pytest.mark.parametrize('batches, message', [
    (None, 'Expected held-out batches for the regularisers.*, got none'),
    ([], 'Expected at least one batch of held-out data, got none.*smaller batch size')])
def test_no_held_out_batches(batches, message, make_module, make_loader, fit):
    module = make_module(terms(EqualCostControl(1, schedule=ALWAYS)), held_out=batches)
    with pytest.raises(ValueError, match=message):
        fit(module, make_loader())


def test_schedules_need_a_number_of_epochs(make_module, make_loader, fit):
    fit(make_module(), make_loader(), max_steps=1, max_epochs=None)
    module = make_module(terms(EqualCostControl(1)), held_out=make_loader())
    with pytest.raises(ValueError, match='Expected max_epochs of the trainer to be set'):
        fit(module, make_loader(), max_steps=1, max_epochs=None)


class DictModule(ClassificationModule):
    """A user's module whose step returns a dict."""

    def training_step(self, batch, batch_idx):
        return {'loss': super().training_step(batch, batch_idx), 'extra': batch_idx}


def test_output_of_the_evaluator_is_kept(make_module, make_loader, fit):
    ranking = make_loader(8, 8, seed=1)
    norms, outputs = [], []
    for base in (ClassificationModule, DictModule):
        module = make_module(terms(EqualCostControl(1, schedule=ALWAYS)), base=base,
                             held_out=ranking)
        module.on_train_batch_end = lambda output, *_: outputs.append(output)
        norms.append(fit(module, make_loader()).norms)
    assert norms[0] == norms[1]
    assert [output['extra'] for output in outputs[2:]] == [0, 1]


# Validation, reports

def test_validation_uses_batch_statistics(make_module, make_loader):
    module = make_module()
    before = {name: value.clone() for name, value in module.model.named_buffers()}
    trainer = pl.Trainer(logger=False, enable_checkpointing=False, enable_progress_bar=False,
                         accelerator='cpu')
    results, = trainer.validate(module, make_loader(8, 8), verbose=False)
    assert all(torch.equal(value, before[name]) for name, value in module.model.named_buffers())
    network = module.model.freeze(UniformSampler(module.model).sample()).train()
    x, y = next(iter(make_loader(8, 8)))
    assert results['val_loss'] == pytest.approx(F.cross_entropy(network(x), y).item())


class TwoLoaders(ClassificationModule):
    """A user's module that validates on two data sets."""

    def validation_step(self, batch, batch_idx, dataloader_idx=0):
        super().validation_step(batch, batch_idx)
        self.log('which', float(dataloader_idx))


def test_several_validation_loaders(make_module, make_loader, fit):
    module = make_module(base=TwoLoaders)
    record = fit(module, make_loader(), [make_loader(seed=1), make_loader(seed=2)])
    metrics = record.trainer.callback_metrics
    assert [metrics[f'which/dataloader_idx_{index}'] for index in (0, 1)] == [0, 1]
    history, = module.history
    assert history['default'] == history['val_acc/dataloader_idx_0']  # the one of the scores, too
    assert history['val_loss/dataloader_idx_1'] == metrics['val_loss/dataloader_idx_1']


class Probe:
    """Measures what it is told."""

    name = 'tau'

    def __init__(self, *values):
        self.values = iter(values)

    def measure(self, module):
        value = next(self.values)
        return Measurement({'default': 1., 'tau': value}, {'scores': [value], 'metrics': [2.]})


@pytest.mark.parametrize('in_trial', [True, False])
def test_measurements_are_logged_and_reported(in_trial, make_module, make_loader, fit,
                                              monkeypatch):
    reported = []
    monkeypatch.setattr(nni, 'report_intermediate_result', reported.append)
    monkeypatch.setattr(nni.trial, '_params', {'parameters': {}} if in_trial else None)
    module = make_module(probe=Probe(0.25, 0.5, 0.75))
    record = fit(module, make_loader(), make_loader(), max_epochs=2, num_sanity_val_steps=1)
    expected = [{'default': 1., 'tau': 0.25, 'epoch': 0.}, {'default': 1., 'tau': 0.5, 'epoch': 1.}]
    assert module.history == expected
    assert module.measured == {'scores': [0.5], 'metrics': [2.]}  # the last ones
    assert reported == (expected if in_trial else [])
    assert record.trainer.callback_metrics['tau'] == 0.5


def test_loader_is_lightnings_business(make_module, make_loader, fit):
    """A training loader of a user's own kind reaches the step as it is."""
    train = DataLoader([(torch.zeros(3, 8, 8), 1)] * 3, batch_size=2)
    assert len(fit(make_module(), train).norms) == 2
