"""Batch normalisation of super-nets, against torch's own cumulative statistics."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from nni_rankreg.batch_norm import batch_statistics
from nni_rankreg.host.network.activation import Activator
from nni_rankreg.host.network.subnet import extract
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.supernet.calibration import calibrate


def network():
    """Return a network whose statistics and modes are all different from the initial ones."""
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.ReLU(),
                        nn.Conv2d(4, 5, 3), nn.BatchNorm2d(5, momentum=0.3),
                        nn.BatchNorm2d(5, track_running_stats=False))
    net(torch.randn(6, 3, 8, 8) * 2 + 1)
    net[1].eval()
    return net


def modes(net):
    return [(module.training, getattr(module, 'track_running_stats', None),
             getattr(module, 'momentum', None)) for module in net.modules()]


def statistics(net):
    return {name: value.clone() for name, value in net.named_buffers()}


def test_output_is_normalised_by_the_batch_and_nothing_else_is_trained():
    net, x = network(), torch.randn(4, 3, 8, 8)
    with batch_statistics(net):
        output = net(x)
    for layer in net:
        if isinstance(layer, nn.BatchNorm2d):
            x = F.batch_norm(x, None, None, layer.weight, layer.bias, training=True)
        elif not isinstance(layer, nn.Dropout):
            x = layer(x)
    torch.testing.assert_close(output, x)


@pytest.mark.parametrize('error', [False, True])
def test_everything_is_left_as_it_was(error):
    net = network()
    before, trained = modes(net), statistics(net)
    try:
        with batch_statistics(net):
            net(torch.randn(4, 3, 8, 8))
            if error:
                raise KeyError
    except KeyError:
        pass
    assert modes(net) == before
    assert all(torch.equal(value, trained[name]) for name, value in net.named_buffers())


@pytest.mark.parametrize('name', ['NasBench201', 'DARTS', 'MobileNetV3'])
def test_statistics_of_supernets_are_left_alone(name, make_supernet):
    supernet = make_supernet(name)
    before = statistics(supernet)
    Activator(supernet)(UniformSampler(supernet).sample())
    x = torch.randn(4, 3, 32, 32)
    with batch_statistics(supernet):
        output = supernet(x)
    assert all(torch.equal(value, before[key]) for key, value in supernet.named_buffers())
    supernet.train()(x)  # guard: otherwise they are changed
    assert not all(torch.equal(value, before[key]) for key, value in supernet.named_buffers())
    assert output.isfinite().all()


def cumulative(net, batches):
    """Calibrate by torch's own cumulative average, which ``momentum=None`` stands for."""
    net = deepcopy(net).eval()
    norms = [module for module in net.modules() if isinstance(module, _BatchNorm)]
    for norm in norms:
        norm.momentum = None
        norm.reset_running_stats()
        norm.train()
    with torch.no_grad():
        for batch in batches:
            net(batch)
    return net.eval()


def test_calibration_is_the_plain_average():
    net, batches = network(), [torch.randn(size, 3, 8, 8) + size for size in (6, 4, 5)]
    before, expected = modes(net), cumulative(net, batches)
    net.eval()
    for module in (net[1], net[5]):
        module.training = module is net[5]
    before = modes(net)
    calibrate(net, batches)
    assert modes(net) == before
    for layer in (1, 5):
        torch.testing.assert_close(net[layer].running_mean, expected[layer].running_mean)
        torch.testing.assert_close(net[layer].running_var, expected[layer].running_var)


@pytest.mark.slow
@pytest.mark.parametrize('name', ['NasBench201', 'DARTS', 'ProxylessNAS', 'MobileNetV3',
                                  'ShuffleNet of any width'])
def test_calibration_of_a_path(name, make_supernet):
    """Layers of variable width have their own way to look up the momentum."""
    supernet, batches = make_supernet(name).eval(), list(torch.randn(3, 4, 3, 32, 32))
    activate = Activator(supernet)
    for sample in UniformSampler(supernet, seed=1).distinct(2):
        activate(sample)
        expected = cumulative(extract(supernet, sample), batches)
        calibrate(supernet, batches)
        with torch.no_grad():
            torch.testing.assert_close(supernet(batches[0]), expected(batches[0]),
                                       rtol=1e-4, atol=1e-5)


def test_momentum_is_restored_after_an_error(make_supernet):
    supernet = make_supernet('ProxylessNAS')
    Activator(supernet)(UniformSampler(supernet).sample())
    norm = supernet.stem[1]
    before = (dict(norm.init_arguments), modes(supernet))
    with pytest.raises(RuntimeError):
        calibrate(supernet, [torch.randn(4, 3, 32, 32), torch.randn(1)])
    assert (norm.init_arguments, modes(supernet)) == before
