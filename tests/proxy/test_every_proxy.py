"""What all proxies have in common: they leave no trace, and run on the spaces of NNI's hub."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
import torch
from torch import nn

from nni_rankreg.proxy import NetworkFactory, ProxyError, ProxyScorer, find_proxy, proxy_names
from nni_rankreg.proxy.registry import PROXIES
from nni_rankreg.sampler import UniformSampler

CASES = [*((name, {}) for name in PROXIES), ('zen', {'residuals': False})]


def state(network):
    """Return all that a proxy may touch, hooks and instance attributes included."""
    attributes = [{name: value for name, value in vars(module).items()
                   if not name.startswith('_') and not isinstance(value, (nn.Module, torch.Tensor))}
                  for module in network.modules()]
    hooks = [len(value) for module in network.modules() for name, value in vars(module).items()
             if name.endswith('hooks')]
    return (attributes, hooks, [type(module) for module in network.modules()],
            [list(vars(module)['_modules']) for module in network.modules()],
            [parameter.requires_grad for parameter in network.parameters()])


def tensors(network):
    return ([value.clone() for value in network.state_dict().values()]
            + [parameter.grad for parameter in network.parameters()])


def random_state():
    return (torch.get_rng_state(), torch.tensor(np.random.get_state()[1].astype(np.int64)),
            torch.tensor(random.getstate()[1]))


def disorder(network):
    """Bring a network into a state that is not the one it begins with."""
    network.eval()
    network.block.train()
    network.head.weight.requires_grad_(False)
    network.stem[0].weight.grad = torch.ones_like(network.stem[0].weight)
    network.block[1].running_mean.fill_(3.)
    network.relu.register_forward_hook(lambda *_: None)


@pytest.mark.parametrize('name, options', CASES)
@pytest.mark.parametrize('fails', [False, True])
def test_nothing_is_left_behind(name, options, fails, network, batch):
    disorder(network)
    before, values, randomness = state(network), tensors(network), random_state()
    images = batch[0].clone()
    if fails:
        network.head.in_features, network.head.weight.data = 7, torch.zeros(5, 7)
        before, values = state(network), tensors(network)
    try:
        find_proxy(name)(network, (images, batch[1]), **options)
    except RuntimeError as error:
        assert fails and 'shapes cannot be multiplied' in str(error)
    assert state(network) == before
    assert all(a is b if a is None else torch.equal(a, b)
               for a, b in zip(values, tensors(network)))
    assert all(map(torch.equal, randomness, random_state()))
    assert torch.equal(images, batch[0]) and not images.requires_grad and torch.is_grad_enabled()


@pytest.mark.parametrize('name', PROXIES)
def test_same_score_in_any_mode_and_without_gradients(name, network, batch):
    proxy = find_proxy(name)
    expected = proxy(network, batch)
    assert isinstance(expected, float) and math.isfinite(expected)
    network.train()
    assert proxy(network, batch) == expected
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    network.eval()
    with torch.no_grad():
        assert proxy(network, batch) == expected


@pytest.mark.parametrize('space', ['NasBench201', 'DARTS', 'ENAS', 'ProxylessNAS', 'MobileNetV3',
                                   'ShuffleNet', 'AutoFormer'])
def test_hub_spaces(space, make_space, make_batches):
    space = make_space(space)
    images, _ = make_batches([4], pixels=32)[0]
    batch, found = (images, torch.tensor([0, 1, 1, 0])), {}
    samples = UniformSampler(space, seed=0).distinct(1)
    network = NetworkFactory(space)(samples[0])
    for name in PROXIES:
        scorer = ProxyScorer(name, space, batch)
        try:
            found[name], = scorer(samples).tolist()
        except ProxyError as error:
            assert name == 'naswot' and 'nn.ReLU' in str(error)
            assert not any(isinstance(one, nn.ReLU) for one in network.modules())
    assert len(found) >= 12
    assert found['params'] == sum(one.numel() for one in network.parameters()) / 1e6
    assert all(math.isfinite(found[name]) for name in ('flops', 'snip', 'grad_norm', 'synflow',
                                                       'l2_norm', 'plain', 'fisher', 'zen'))


def test_names():
    names = ['flops', 'params', 'snip', 'grad_norm', 'grasp', 'synflow', 'fisher', 'jacov',
             'naswot', 'zen', 'l2_norm', 'epe_nas', 'plain']
    assert sorted(proxy_names()) == sorted(names)
    with pytest.raises(ValueError, match=r"Expected a proxy among \['flops', .*, got 'Zen'"):
        find_proxy('Zen')


class Entry:
    """An entry point of another package."""

    def __init__(self, name, function):
        self.name, self.load = name, lambda: function


def test_proxies_of_other_packages(monkeypatch, make_space, batch, sample):
    def depth(network, batch, *, seed=0, factor=1.):
        return factor * sum(isinstance(one, nn.Conv2d) for one in network.modules()) + seed

    entries = [Entry('depth', depth), Entry('snip', depth)]
    monkeypatch.setattr('nni_rankreg.proxy.registry.entry_points', lambda group: entries)
    assert proxy_names()[-1] == 'depth' and proxy_names().count('snip') == 1
    assert find_proxy('snip') is PROXIES['snip']
    space = make_space()
    assert ProxyScorer('depth', space, batch)([sample]).tolist() == [16.]
    scorer = ProxyScorer('depth', space, batch, options={'factor': 2.}, seed=3)
    assert scorer([sample]).tolist() == [35.]
