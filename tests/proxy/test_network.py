"""Networks of a space, against those that NNI's trials build."""

from __future__ import annotations

import pytest
import torch
from nni.nas.nn.pytorch import LayerChoice, ModelSpace, MutableConv2d
from nni.nas.space import SimplifiedModelSpace
from nni.nas.strategy import RandomOneShot
from torch import nn

from nni_rankreg.proxy import NetworkFactory
from nni_rankreg.sampler import UniformSampler

SPACES = ['NasBench201', 'DARTS', 'DARTS of any size', 'ENAS', 'ProxylessNAS', 'MobileNetV3',
          'ShuffleNet of any width', 'AutoFormer']


def trial(space, sample):
    return SimplifiedModelSpace.from_model(space).freeze(sample).executable_model()


@pytest.mark.slow
@pytest.mark.parametrize('name', SPACES)
def test_network_is_that_of_a_trial(name, make_space, make_batches):
    space = make_space(name)
    factory, x = NetworkFactory(space, seed=1), make_batches([2], pixels=32)[0][0]
    for sample in UniformSampler(space, seed=5).distinct(2):
        network, other = factory(sample), trial(space, sample)
        assert type(network) is type(other) and network.training
        other.load_state_dict(network.state_dict())
        with torch.no_grad():
            torch.testing.assert_close(network.eval()(x), other.eval()(x))


@pytest.mark.parametrize('name', ['NasBench201', 'DARTS'])
def test_weights_are_those_of_the_seed(name, make_space):
    space = make_space(name)
    first, second = UniformSampler(space, seed=5).distinct(2)
    weights = {}
    for seed in (1, 1, 2):
        factory = NetworkFactory(space, seed=seed)
        if weights:
            factory(second)                    # what was built before does not matter
        torch.rand(3)
        values = torch.cat([one.flatten() for one in factory(first).parameters()])
        assert torch.equal(weights.setdefault(seed, values), values)
    assert not torch.equal(weights[1], weights[2])


def test_space_and_generators_stay(make_space, sample):
    space = make_space()
    before = [value.clone() for value in space.state_dict().values()]
    state = torch.get_rng_state()
    network = NetworkFactory(space)(sample)
    nn.init.zeros_(network.classifier.weight)
    assert all(map(torch.equal, before, space.state_dict().values()))
    assert torch.equal(state, torch.get_rng_state())


def test_a_mutated_space_is_built_anew(make_space, sample):
    space = make_space()
    expected = NetworkFactory(space)(sample).state_dict()
    supernet = RandomOneShot().mutate_model(space)
    found = NetworkFactory(supernet)(sample).state_dict()
    assert list(found) == list(expected)
    assert all(map(torch.equal, found.values(), expected.values()))


class Nested(ModelSpace):
    """Choices inside choices, a shared layer, and a layer of variable width if asked for."""

    def __init__(self, wide: bool = False):
        super().__init__()
        inner = LayerChoice([nn.ReLU(), nn.Tanh()], label='inner')
        self.shared = nn.Conv2d(3, 3, 1)
        self.outer = LayerChoice({'deep': nn.Sequential(self.shared, inner), 'flat': nn.Identity()},
                                 label='outer')
        self.end = nn.Sequential(self.shared, MutableConv2d(3, 4, 1) if wide else nn.ReLU())

    def forward(self, x):
        return self.end(self.outer(x))


@pytest.mark.parametrize('wide', [False, True])
@pytest.mark.parametrize('outer, inner, size', [('deep', 1, 12), ('deep', 0, 12), ('flat', 1, 12)])
def test_nested_choices_and_shared_layers(wide, outer, inner, size):
    space, sample, x = Nested(wide), {'outer': outer, 'inner': inner}, torch.randn(2, 3, 4, 4)
    network = NetworkFactory(space)(sample)
    assert sum(one.numel() for one in network.parameters()) == size + 16 * wide
    body = network.shared(x)
    body = {'deep': [torch.relu, torch.tanh][inner](body), 'flat': x}[outer]
    torch.testing.assert_close(network(x), network.end(body))
    assert not any(isinstance(one, LayerChoice) for one in network.modules())


def test_what_is_no_space_or_no_architecture_of_it(make_space, sample):
    with pytest.raises(ValueError, match='Expected a model space of NNI, got Linear'):
        NetworkFactory(nn.Linear(2, 2))
    factory = NetworkFactory(make_space())
    with pytest.raises(ValueError, match='cell/0_1'):
        factory({**sample, 'cell/0_1': 'conv_9x9'})
    with pytest.raises(ValueError, match='cell/0_1'):
        factory({label: choice for label, choice in sample.items() if label != 'cell/0_1'})
