"""The two steps of differentiable search, against naive sums and plain autograd."""

from __future__ import annotations

import itertools
from collections import Counter
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from nni.nas.evaluator.pytorch import ClassificationModule
from nni.nas.oneshot.pytorch.supermodule.sampling import PathSamplingLayer
from torch.func import functional_call

from nni_rankreg.data import HeldOut, Loaders
from nni_rankreg.regularizer import Term
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.schedule import Schedule
from nni_rankreg.supernet.architecture import ArchitectureParameters
from nni_rankreg.supernet.differentiable import DARTSModule, GDASModule

ALWAYS = Schedule('constant', warmup=0)


@pytest.fixture
def make_module(make_supernet, make_loader):
    """Return a function that makes the module of a super-net, with plain SGD."""
    def make(kind, *args, rate=0.1, **kwargs):
        supernet = make_supernet()
        module = kind(ClassificationModule(learning_rate=rate, optimizer=torch.optim.SGD,
                                           num_classes=10),
                      ArchitectureParameters(supernet, seed=2), *args,
                      loaders=Loaders(HeldOut(make_loader(seed=1))), **kwargs)
        module.set_model(supernet)
        return module
    return make


@pytest.fixture
def fit(make_loader):
    def run(module, callback=None, **kwargs):
        trainer = pl.Trainer(callbacks=[callback] if callback else [], logger=False,
                             enable_checkpointing=False, accelerator='cpu',
                             enable_progress_bar=False, enable_model_summary=False,
                             **{'max_epochs': 1, **kwargs})
        trainer.fit(module, module.loaders.train(lambda: make_loader(24, 8)))
    return run


@pytest.mark.parametrize('kind', [GDASModule, DARTSModule])
def test_the_architecture_step_trains_the_logits_only(kind, make_module, make_batches,
                                                      monkeypatch):
    module, (batch,) = make_module(kind, learning_rate=0.1), make_batches([6])
    monkeypatch.setattr(kind, 'trainer', SimpleNamespace(
        current_epoch=0, max_epochs=2, world_size=1, state=SimpleNamespace(status=None)))
    before = {name: one.clone() for name, one in module.named_parameters()}
    module.architecture_step(batch, batch)
    changed = {name for name, one in module.named_parameters()
               if not torch.equal(one, before[name])}
    assert changed == {'architecture.logits'}
    assert all(one.grad is None for one in module.parameters())


@pytest.mark.parametrize('kind', [GDASModule, DARTSModule])
def test_the_weight_step_trains_the_weights_only(kind, make_module, fit):
    module = make_module(kind, warmup_epochs=1)
    before = {name: one.clone() for name, one in module.named_parameters()}
    fit(module)
    assert torch.equal(module.architecture.logits, before.pop('architecture.logits'))
    assert any(not torch.equal(one, before[name]) for name, one in module.named_parameters()
               if name in before)
    fit(other := make_module(kind))
    assert not torch.equal(other.architecture.logits, module.architecture.logits)


def test_every_step_executes_one_operation_of_each_edge(make_module, fit):
    module, calls = make_module(GDASModule), Counter()
    layers = [one for one in module.model.modules() if isinstance(one, PathSamplingLayer)]
    for layer in layers:
        for operation in layer.children():
            operation.register_forward_hook(lambda *_, layer=layer: calls.update([id(layer)]))
    fit(module)
    assert len(layers) == 18 and set(calls.values()) == {3 * 2}  # 3 steps, two passes each


class ThreeLosses(Term):
    """Asks for the losses of three architectures."""

    def __init__(self, samples):
        super().__init__(1., ALWAYS)
        self.samples, self.seen = samples, []

    def loss(self, supernet, batch, epoch):
        losses = [supernet.subnet_loss(sample, batch) for sample in self.samples]
        self.seen.append((batch, [loss.item() for loss in losses]))
        return sum(losses)


@pytest.mark.slow
def test_landmarks_of_gdas_are_paths(make_module, make_supernet, fit):
    samples = UniformSampler(make_supernet(), seed=4).distinct(3)
    term = ThreeLosses(samples)
    module = make_module(GDASModule, [term], rate=0.)
    fit(module)
    for batch, losses in term.seen:
        expected = [F.cross_entropy(make_supernet().freeze(sample).train()(batch[0]), batch[1])
                    for sample in samples]
        assert losses == pytest.approx([one.item() for one in expected], rel=1e-4)
    assert len(term.seen) == 3


def naive(supernet, x, weights):
    """Return the output of a super-net whose layers are plain weighted sums."""
    for layer in supernet.modules():
        if isinstance(layer, PathSamplingLayer):
            layer.forward = lambda y, layer=layer: sum(
                weights[layer.label][name] * layer[name](y) for name in layer.names)
    return supernet.train()(x)


@pytest.mark.slow
@pytest.mark.parametrize('delta', [0.01, 0.15])
def test_landmarks_of_darts_are_soft(delta, make_module, make_supernet, fit):
    samples = UniformSampler(make_supernet(), seed=4).distinct(3)
    term = ThreeLosses(samples)
    fit(make_module(DARTSModule, [term], rate=0., delta=delta))
    (x, y), losses = term.seen[0]
    for sample, loss in zip(samples, losses):
        weights = {label: {name: 1 / 5 + delta if name == choice else 1 / 5 - delta / 4
                           for name in make_supernet().simplify()[label].values}
                   for label, choice in sample.items()}
        expected = F.cross_entropy(naive(make_supernet(), x, weights), y)
        assert loss == pytest.approx(expected.item(), rel=1e-4)


def test_darts_against_autograd_of_the_naive_sum(make_module, make_supernet, make_batches,
                                                 monkeypatch):
    module, (batch,) = make_module(DARTSModule), make_batches([6])
    logits = module.architecture.logits.detach().clone().requires_grad_()
    labels = list(module.architecture.choices)
    weights = {label: dict(zip(module.architecture.choices[label], row.softmax(0)))
               for label, row in zip(labels, logits)}
    loss = F.cross_entropy(naive(supernet := make_supernet(), batch[0], weights), batch[1])
    expected = torch.autograd.grad(loss, [logits, *supernet.parameters()])
    gradients = []
    monkeypatch.setattr(module.architecture_optimizer, 'step',
                        lambda: gradients.append(module.architecture.logits.grad))
    module.architecture_step(batch, batch)
    torch.testing.assert_close(gradients[0], expected[0], rtol=1e-4, atol=1e-7)

    module.training_module.log = lambda *_, **__: None
    module.weight_loss(batch, 0).backward()
    assert module.architecture.logits.grad is None
    for one, gradient in zip(module.model.parameters(), expected[1:]):
        torch.testing.assert_close(one.grad, gradient, rtol=1e-3, atol=1e-5)


def test_second_order_against_a_double_backward_pass(make_module, make_batches, monkeypatch):
    """Of a whole super-net, by smaller differences: its kinks are close."""
    monkeypatch.setattr('nni_rankreg.supernet.unrolled._LENGTH', 1e-5)
    module, (held_out, batch) = make_module(DARTSModule, unrolled=True), make_batches([6, 5])
    module.double()
    held_out, batch = ((x.double(), y) for x, y in (held_out, batch))
    weights, rate = dict(module.model.named_parameters()), 0.05
    monkeypatch.setattr(DARTSModule, 'trainer', SimpleNamespace(
        state=SimpleNamespace(status=None), optimizers=[torch.optim.SGD(weights.values(), rate)]))
    logits = module.architecture.logits

    def loss(batch, values):
        with module.mixed(module.search_mixture()):
            return F.cross_entropy(functional_call(module.model, values, (batch[0],)), batch[1])

    gradients = torch.autograd.grad(loss(batch, weights), weights.values(), create_graph=True)
    after = {name: one - rate * gradient for (name, one), gradient in
             zip(weights.items(), gradients)}
    expected, = torch.autograd.grad(loss(held_out, after), logits)
    first, = torch.autograd.grad(loss(held_out, weights), logits)
    got = module.architecture_gradient(held_out, batch)
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-6)
    assert (got - first).norm() > 0.1 * first.norm()


def test_rejection_loss_against_enumeration(make_module):
    """Its gradient is that of minus the log of the probability of being accepted, in the mean."""
    module = make_module(DARTSModule, accept=lambda sample: sample[first] != 'none'
                         and sample[second] in ('none', 'skip_connect'))
    architecture = module.architecture
    (first, one), (second, other) = list(architecture.choices.items())[:2]
    torch.nn.init.normal_(architecture.logits, generator=torch.Generator().manual_seed(3))
    p, q = architecture.log_probabilities().exp()[:2]
    accepted = (1 - p[one.index('none')]) * sum(q[other.index(name)]
                                                for name in ('none', 'skip_connect'))
    expected, = torch.autograd.grad(-accepted.log(), [architecture.logits])
    gradients = [torch.autograd.grad(loss, [architecture.logits])[0] for loss in
                 (module.rejection_loss() for _ in range(300)) if loss.requires_grad]
    assert (sum(gradients) / 300 - expected).abs().max() < expected.abs().max() / 4
    module.accept = lambda sample: True
    assert not module.rejection_loss().requires_grad
    module.accept = None
    assert module.rejection_loss() == 0


@pytest.mark.parametrize('kind', [GDASModule, DARTSModule])
def test_gradients_of_the_weights_are_clipped(kind, make_module, fit):
    module, norms = make_module(kind, gradient_clip_val=1e-3), []

    class Norms(pl.Callback):
        def on_before_zero_grad(self, *_):
            norms.append(torch.nn.utils.get_total_norm(
                [one.grad for one in module.model.parameters() if one.grad is not None]).item())

    fit(module, Norms())
    assert norms[1:] == pytest.approx([1e-3] * len(norms[1:]), rel=0.01)


@pytest.mark.parametrize('epochs, warmup', [(1, 0), (2, 0), (50, 0), (400, 150), (3, 2)])
def test_temperature(epochs, warmup, make_module, monkeypatch):
    module, seen = make_module(GDASModule, warmup_epochs=warmup), []
    for epoch in range(epochs):
        monkeypatch.setattr(GDASModule, 'trainer',
                            SimpleNamespace(current_epoch=epoch, max_epochs=epochs))
        seen.append(module.temperature)
    active = seen[warmup:]
    assert seen[:warmup] == [10.] * warmup and active[0] == 10. and min(seen) > 0
    assert len(active) == 1 or active[-1] == pytest.approx(0.1)
    steps = [one - other for one, other in itertools.pairwise(active)]
    assert steps == pytest.approx([9.9 / max(1, len(steps))] * len(steps))


def test_exports(make_module):
    module = make_module(GDASModule)
    module.architecture.logits.data[0, 3] = 3.
    label = next(iter(module.architecture.choices))
    probabilities = module.export_probs()
    assert probabilities[label] == pytest.approx(dict(zip(
        module.architecture.choices[label], module.architecture.logits[0].softmax(0).tolist())))
    assert module.export()[label] == module.architecture.choices[label][3]
