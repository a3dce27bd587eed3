"""Proxies of the gradient, against masks, finite differences and path sums."""

from __future__ import annotations

import itertools
import math
from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

from nni_rankreg.proxy.gradient import fisher, grad_norm, grasp, plain, snip, synflow


def training(network):
    """Return a copy in float64 as published code runs it: training mode, here without dropout."""
    network = deepcopy(network).double().train()
    network.dropout.eval()
    return network


def double(batch):
    return batch[0].double(), batch[1]


def layers(network):
    return [module for module in network.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]


def loss_of(network, batch):
    return F.cross_entropy(network(batch[0]), batch[1])


def test_snip_is_the_gradient_of_a_mask(network, batch):
    other = training(network)
    names = [name for name, value in other.named_parameters() if value.ndim > 1]
    masks = {name: torch.ones_like(other.get_parameter(name), requires_grad=True)
             for name in names}
    masked = {name: other.get_parameter(name).detach() * mask for name, mask in masks.items()}
    F.cross_entropy(functional_call(other, masked, batch[0].double()), batch[1]).backward()
    expected = sum(mask.grad.abs().sum().item() for mask in masks.values())
    assert len(names) == 5
    assert snip(network, batch) == pytest.approx(expected, rel=1e-5)


def test_grad_norm_is_a_sum_of_norms(network, batch):
    other = training(network)
    loss_of(other, double(batch)).backward()
    norms = [math.sqrt(sum(one ** 2 for one in layer.weight.grad.flatten().tolist()))
             for layer in layers(other)]
    assert grad_norm(network, batch) == pytest.approx(sum(norms), rel=1e-5)
    assert grad_norm(network, batch) != pytest.approx(math.sqrt(sum(n ** 2 for n in norms)), rel=.1)


def move(network, directions, step):
    """Return a copy with the weights of its layers moved."""
    moved = deepcopy(network)
    with torch.no_grad():
        for layer, direction in zip(layers(moved), directions):
            layer.weight += step * direction
    return moved


def test_plain_is_the_slope_when_all_weights_grow(network, batch):
    other, step = training(network), 1e-5
    directions = [layer.weight.detach() for layer in layers(other)]
    high, low = (loss_of(move(other, directions, sign * step), double(batch)).item()
                 for sign in (1, -1))
    assert plain(network, batch) == pytest.approx((high - low) / (2 * step), rel=1e-3)


def test_grasp_by_finite_differences_of_the_gradient(network, batch):
    def gradients(one):
        loss_of(one, double(batch)).backward()
        return [layer.weight.grad.clone() for layer in layers(one)]

    other, step = training(network), 1e-4
    directions = gradients(deepcopy(other))
    high, low = (gradients(move(other, directions, sign * step)) for sign in (1, -1))
    expected = -sum((layer.weight.detach() * (up - down) / (2 * step)).sum().item()
                    for layer, up, down in zip(layers(other), high, low))
    assert grasp(network, batch) == pytest.approx(expected, rel=1e-3)
    assert abs(grasp(network, batch, temperature=200.)) < abs(expected) / 100


class Attention(nn.Module):
    """Two images of attention over 6 tokens of 8 features, and a head."""

    def __init__(self, fused):
        super().__init__()
        self.fused = fused
        self.input, self.head = nn.Linear(8, 24), nn.Linear(8, 5)

    def forward(self, x):
        query, key, value = self.input(x).view(len(x), 6, 3, 2, 4).permute(2, 0, 3, 1, 4)
        if self.fused:
            mixed = F.scaled_dot_product_attention(query, key, value)
        else:
            mixed = (query @ key.transpose(2, 3) / 2).softmax(3) @ value
        return self.head(mixed.transpose(1, 2).reshape(len(x), 6, 8).mean(1))


def test_grasp_through_attention():
    generator = torch.Generator().manual_seed(0)
    batch = torch.randn(3, 6, 8, generator=generator), torch.tensor([0, 1, 4])
    fused, written = Attention(True), Attention(False)
    written.load_state_dict(fused.state_dict())
    assert grasp(fused, batch) == pytest.approx(grasp(written, batch), rel=1e-4)
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    network = nn.Sequential(layer, nn.Flatten(), nn.Linear(48, 5))
    assert math.isfinite(grasp(network, batch)) and grasp(network, batch) != 0


def test_fisher_by_loops_over_channels(network, batch):
    other, outputs = training(network), {}
    for layer in layers(other):
        layer.register_forward_hook(
            lambda module, _, output: (output.retain_grad(), outputs.update({module: output}))[0])
    loss_of(other, double(batch)).backward()
    expected = 0.
    for layer, output in outputs.items():
        for channel in range(output.shape[1]):
            squares = [(output[n, channel] * output.grad[n, channel]).sum().item() ** 2
                       for n in range(len(output))]
            expected += layer.weight[channel].numel() * sum(squares) / len(squares) / 2
    assert len(outputs) == 5
    assert fisher(network, batch) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize('widths', [(3, 5), (4, 7, 2), (2, 3, 3, 6)])
def test_synflow_of_linear_networks_is_a_sum_over_paths(widths):
    linear = [nn.Linear(a, b, bias=False) for a, b in itertools.pairwise(widths)]
    flow = torch.ones(widths[0], dtype=torch.float64)
    for layer in linear:
        flow = layer.weight.detach().double().abs() @ flow
    batch = torch.randn(2, widths[0]), torch.zeros(2)
    expected = len(linear) * flow.sum().item()  # every layer sees the flow of all paths once
    assert synflow(nn.Sequential(*linear), batch, log=False) == pytest.approx(expected)
    assert synflow(nn.Sequential(*linear), batch) == pytest.approx(math.log(expected))


def test_synflow_without_normalisation_and_without_the_data(network, batch):
    other = deepcopy(network).double().eval()
    other.stem[1], other.block[1], other.block[4] = (nn.Identity() for _ in range(3))
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.abs_()
    other(torch.ones(1, 3, 8, 8, dtype=torch.float64)).sum().backward()
    expected = sum((layer.weight * layer.weight.grad).sum().item() for layer in layers(other))
    assert synflow(network, batch) == pytest.approx(math.log(expected), rel=1e-12)
    assert synflow(network, (1e3 * batch[0], batch[1])) == synflow(network, batch)


@pytest.mark.parametrize('norm', [
    nn.BatchNorm2d(4), nn.SyncBatchNorm(4), nn.InstanceNorm2d(4, affine=True), nn.GroupNorm(2, 4),
    nn.LayerNorm([4, 8, 8]), nn.RMSNorm([4, 8, 8])])
def test_synflow_leaves_out_every_normalisation(norm, batch):
    nn.init.constant_(norm.weight, 3.)
    first, last = nn.Conv2d(3, 4, 3, padding=1), nn.Sequential(nn.Flatten(), nn.Linear(256, 5))
    expected = synflow(nn.Sequential(first, nn.ReLU(), last), batch)
    assert math.isfinite(expected)
    assert synflow(nn.Sequential(first, norm, nn.ReLU(), last), batch) == expected


def test_synflow_of_a_deep_network_overflows_nothing():
    wide = nn.Sequential(*(nn.Linear(64, 64, bias=False) for _ in range(60)))
    for layer in wide:
        nn.init.ones_(layer.weight)
    expected = 61 * math.log(64) + math.log(60)  # e^258, far above float32
    assert synflow(wide, (torch.ones(1, 64), torch.zeros(1))) == pytest.approx(expected)


def test_synflow_that_reaches_nothing():
    class Cut(nn.Linear):
        def forward(self, x):
            return 0 * super().forward(x)

    assert synflow(Cut(3, 2), (torch.ones(1, 3), torch.zeros(1))) == -math.inf


@pytest.mark.parametrize('proxy', [snip, grad_norm, plain, grasp, fisher])
def test_what_the_loss_does_not_reach_counts_nothing(proxy, network, batch):
    class WithIdleLayer(type(network)):
        def forward(self, x):
            self.idle(torch.ones(2, 3))
            return super().forward(x)

    before = proxy(network, batch)
    network.__class__, network.idle = WithIdleLayer, nn.Linear(3, 4)
    assert proxy(network, batch) == before


@pytest.mark.parametrize('proxy', [snip, grad_norm, plain, grasp, fisher])
def test_another_loss(proxy, network, batch):
    def doubled(outputs, labels):
        return 2 * F.cross_entropy(outputs, labels)

    degree = 1 if proxy in (snip, grad_norm, plain) else 2   # g, or its square
    assert proxy(network, batch, loss=doubled) == pytest.approx(
        2 ** degree * proxy(network, batch), rel=1e-4)
