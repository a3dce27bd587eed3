"""Weak labels, against the proxies of the networks that trials build."""

from __future__ import annotations

import pytest
import torch
from nni.nas.evaluator.pytorch import ClassificationModule

from nni_rankreg.proxy import ProxyScorer
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.supernet import SuperNetModule, SuperNetScorer
from nni_rankreg.supernet.weak_label import LABELS, weak_labels


class Bytes(ClassificationModule):
    """Scales its images itself."""

    def forward(self, x):
        return super().forward(x / 255)


class ChannelsLast(ClassificationModule):
    """Takes images with their channels last."""

    def forward(self, x):
        return super().forward(x.permute(0, 3, 1, 2))


class Wrapped(ClassificationModule):
    """Takes batches that do not begin with the images."""

    def training_step(self, batch, batch_idx):
        return self.criterion(self(batch['x']), batch['y'])


@pytest.mark.slow
@pytest.mark.parametrize('processes', [1, 2])
@pytest.mark.parametrize('name', ['NasBench201', 'own DARTSSpace'])
@pytest.mark.parametrize('wrapped', [True, False])
def test_labels(processes, name, wrapped, make_space, make_supernet, make_batches):
    space = make_space(name)
    module = SuperNetModule((Wrapped if wrapped else ClassificationModule)(num_classes=10))
    module.set_model(make_supernet(name))
    batches = make_batches([4, 3])
    own = [{'x': x, 'y': y} for x, y in batches] if wrapped else batches
    scorer = SuperNetScorer(module, own, processes=processes)
    samples = UniformSampler(space, seed=3).distinct(16 if name == 'NasBench201' else 4)
    labels = weak_labels(scorer, space, samples)
    assert list(labels) == [label for label in LABELS if not wrapped or label != 'flops']
    expected = {'supernet': SuperNetScorer(module, own)(samples)}
    for proxy in list(labels)[1:]:
        expected[proxy] = ProxyScorer(proxy, space, batches[0])(samples)
    for label, values in labels.items():
        torch.testing.assert_close(torch.tensor(values, dtype=torch.float64),
                                   expected[label].double(), rtol=1e-6, atol=1e-6)


def test_bytes_have_flops(make_space, make_supernet, make_batches):
    space, module = make_space(), SuperNetModule(Bytes(num_classes=10))
    module.set_model(make_supernet())
    (images, labels), = make_batches([4])
    scorer = SuperNetScorer(module, [((images * 50 + 128).clamp(0, 255).byte(), labels)])
    samples = UniformSampler(space, seed=3).distinct(3)
    expected = ProxyScorer('flops', space, (images, labels))(samples)
    assert weak_labels(scorer, space, samples)['flops'] == pytest.approx(expected.tolist())


def test_flops_that_cannot_be_counted_are_left_out(make_space, make_supernet, make_batches, caplog):
    """The super-net is trained by then."""
    space, module = make_space(), SuperNetModule(ChannelsLast(num_classes=10))
    module.set_model(make_supernet())
    (images, labels), = make_batches([4])
    scorer = SuperNetScorer(module, [(images.permute(0, 2, 3, 1), labels)])
    labels = weak_labels(scorer, space, UniformSampler(space, seed=3).distinct(3))
    assert list(labels) == ['supernet', 'params']
    assert 'The FLOPs are no weak label' in caplog.text
