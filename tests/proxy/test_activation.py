"""NASWOT against loops over pairs of images, Zen against a network run as published."""

from __future__ import annotations

import math
from copy import deepcopy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nni_rankreg.proxy import ProxyError
from nni_rankreg.proxy.activation import naswot, zen


def codes(network, images):
    """Return whether each unit of each ReLU is on, (B, units)."""
    found = []
    for module in network.modules():
        if isinstance(module, nn.ReLU):
            module.register_forward_hook(lambda _, inputs, __: found.append(inputs[0].clone() > 0))
    network(images)
    return torch.cat([one.flatten(1) for one in found], 1)


def test_naswot_counts_what_pairs_of_images_share(network, batch):
    other = deepcopy(network).train()
    other.dropout.eval()
    on = codes(other, batch[0])
    kernel = [[int((a == b).sum()) for b in on] for a in on]
    sign, expected = np.linalg.slogdet(np.array(kernel, dtype=float))
    assert sign == 1 and naswot(network, batch) == pytest.approx(expected, rel=1e-9)


def test_naswot_of_one_image_is_the_number_of_units(network, batch):
    units = 4 * 64 + 6 * 16 + 6 * 16
    assert naswot(network, (batch[0][:1], batch[1][:1])) == pytest.approx(math.log(units))


def test_naswot_of_twins_is_minus_infinity(network, batch):
    assert naswot(network, (batch[0][[0, 0, 1]], batch[1][:3])) == -math.inf


def test_naswot_with_relus_in_place(network, batch):
    expected = naswot(network, batch)
    for module in network.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = True
    assert naswot(network, batch) == expected


def test_naswot_needs_relus(batch):
    with pytest.raises(ProxyError, match='calls modules of the family of nn.ReLU, got Sequential'):
        naswot(nn.Sequential(nn.Conv2d(3, 2, 1), nn.GELU()), batch)


def published_zen(network, shape, generator):
    """Return the score as the paper's code finds it, with running statistics of the modules."""
    network = network.train()
    network.dropout.eval()
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.weight.data = torch.randn(module.weight.shape, generator=generator)
            if module.bias is not None:
                module.bias.data.zero_()
    features = []
    network.pool.register_forward_hook(lambda _, inputs, __: features.append(inputs[0]))
    x, noise = (torch.randn(shape, generator=generator) for _ in range(2))
    network(x)
    network(x + 0.01 * noise)
    delta = (features[0] - features[1]).abs().sum([1, 2, 3]).mean()
    return math.log(delta) + sum(math.log(module.running_var.mean().sqrt())
                                 for module in network.modules()
                                 if isinstance(module, nn.BatchNorm2d))


@pytest.mark.parametrize('seed', [0, 7])
def test_zen_as_published(network, batch, seed):
    with torch.no_grad():
        expected = published_zen(deepcopy(network), batch[0].shape,
                                 torch.Generator().manual_seed(seed))
    assert zen(network, batch, seed=seed) == pytest.approx(expected, rel=1e-5)


def test_zen_ignores_the_weights_and_the_images(network, batch):
    expected = zen(network, batch)
    for parameter in network.parameters():
        nn.init.normal_(parameter)
    network.stem[1].running_var.fill_(100.)
    assert zen(network, (batch[0] + 5., batch[1])) == expected
    assert zen(network, batch, seed=1) != expected


def test_zen_without_residual_links(network, batch):
    class Chain(type(network)):
        def forward(self, x):
            return self.head(self.pool(self.relu(self.block(self.stem(x)))).flatten(1))

    expected = zen(network, batch, residuals=False)
    kept = zen(network, batch)
    network.__class__ = Chain
    assert expected == pytest.approx(zen(network, batch), rel=1e-6)
    assert expected != pytest.approx(kept, rel=1e-3)


def test_zen_removes_identities_and_skips():
    class Skip(nn.Sequential):
        has_skip = False

        def forward(self, x):
            return x + super().forward(x) if self.has_skip else super().forward(x)

    class Identity(nn.Sequential):
        downsample = None

        def forward(self, x):
            y = super().forward(x)
            return y + (x if self.downsample is None else self.downsample(x))

    images = torch.zeros(4, 3, 6, 6), torch.zeros(4)
    chain = nn.Sequential(nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)))
    expected = zen(chain, images)
    for kind in (Skip, Identity):
        block = kind(*chain[0])
        if kind is Skip:
            block.has_skip = True
        assert zen(nn.Sequential(block), images, residuals=False) == pytest.approx(expected)
        assert zen(nn.Sequential(block), images) != pytest.approx(expected)
        assert block.downsample is None if kind is Identity else block.has_skip is True
    with pytest.raises(ProxyError, match='Expected a network with residual links to remove'):
        zen(chain, images, residuals=False)


def test_zen_is_the_mean_of_its_repetitions(network, batch):
    """Statistics go on over the repetitions, so only a network without them shows the mean."""
    linear = nn.Sequential(nn.Flatten(), nn.Linear(192, 3, bias=False))
    generator = torch.Generator().manual_seed(0)
    expected = []
    for _ in range(3):
        weight = torch.randn(3, 192, generator=generator)
        torch.randn(batch[0].shape, generator=generator)
        noise = torch.randn(batch[0].shape, generator=generator).flatten(1)
        expected.append(math.log(F.linear(0.01 * noise, weight).abs().sum(1).mean()))
    assert zen(linear, batch, repeat=3) == pytest.approx(np.mean(expected), rel=1e-4)
    with pytest.raises(ValueError, match='Expected at least 1 repetition, got 0'):
        zen(linear, batch, repeat=0)
