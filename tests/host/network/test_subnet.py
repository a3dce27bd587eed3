"""Networks taken out of a super-net, against the outputs of the super-net itself."""

from __future__ import annotations

import pytest
import torch
from nni import choice
from nni.nas.nn.pytorch import LayerChoice, ModelSpace, MutableLinear, Repeat
from nni.nas.oneshot.pytorch.supermodule.base import BaseSuperNetModule
from nni.nas.space import ModelStatus, RawFormatModelSpace, model_context
from nni.nas.strategy import RandomOneShot
from torch import nn

from nni_rankreg.batch_norm import batch_statistics
from nni_rankreg.host.network.activation import Activator
from nni_rankreg.host.network.subnet import SubnetModelSpace, extract
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.strategy import SPOS

OWN = ['NasBench101', 'own NasBench201', 'own DARTSSpace', 'own DARTSSpace of any size',
       'own ENAS of any size', 'own PNAS', 'own AmoebaNet', 'own NASNet', 'own ProxylessNAS',
       'own ResNet48']
NAMES = ['NasBench201', 'DARTS', 'DARTS of any size', 'ENAS', 'ProxylessNAS', 'MobileNetV3',
         'ShuffleNet', 'ShuffleNet of any width', 'AutoFormer', *OWN]


class Tied(ModelSpace):
    """A space that uses one module in two places, and one whose depth is fixed."""

    def __init__(self):
        super().__init__()
        linear = nn.Linear(3, 3)
        self.first = nn.Sequential(linear, nn.ReLU())
        self.second = LayerChoice([linear, nn.Identity()], label='second')
        self.fixed = Repeat(nn.Linear(3, 3), 2)

    def forward(self, x):
        return self.fixed(self.second(self.first(x)))


class Custom(BaseSuperNetModule):
    """A super-net module of a user, which knows how to freeze itself."""

    def freeze(self, sample):
        return nn.Softplus(sample['second'] + 1)


def trial_network(supernet, sample):
    """Return what NNI builds for a trial of the architecture."""
    with model_context(sample):
        return supernet.trace_copy().get(traceable=False)


def trained(supernet, pixels=32):
    """Give the running statistics of a super-net other values than the initial ones."""
    activate, sampler = Activator(supernet), UniformSampler(supernet, seed=1)
    for _ in range(3):
        activate(sampler.sample())
        supernet.train()(torch.randn(4, 3, pixels, pixels))
    return supernet


def biggest_difference(a, b):
    return max((a[name] - b[name]).abs().max().item() for name in a.keys() & b.keys())


@pytest.mark.slow
@pytest.mark.parametrize('name', NAMES)
def test_output_is_that_of_the_supernet(name, make_supernet):
    supernet = trained(make_supernet(name))
    activate, sampler = Activator(supernet), UniformSampler(supernet, seed=2)
    x, outputs = torch.randn(4, 3, 32, 32), []
    for sample in sampler.distinct(3):
        activate(sample)
        network = extract(supernet, sample)
        with torch.no_grad():
            supernet.eval(), network.eval()
            torch.testing.assert_close(network(x), supernet(x))
            with batch_statistics(supernet), batch_statistics(network):
                outputs.append(network(x))
                torch.testing.assert_close(outputs[-1], supernet(x))
    assert not any(torch.allclose(outputs[0], other, rtol=1e-3) for other in outputs[1:])


@pytest.mark.parametrize('name', ['NasBench201', 'DARTS', 'ENAS', 'ProxylessNAS', 'ShuffleNet',
                                  'AutoFormer', *OWN])
def test_names_and_shapes_are_those_of_a_trial(name, make_supernet):
    supernet = make_supernet(name)
    sample = UniformSampler(supernet, seed=3).sample()
    if name == 'ENAS':  # leave no loose end: a super-net merges them all
        sample = {label: [0] if 'input' in label else choice for label, choice in sample.items()}
    network = extract(supernet, sample).state_dict()
    trial = trial_network(supernet, sample).state_dict()
    assert {key: value.shape for key, value in network.items()} == {
        key: value.shape for key, value in trial.items()}


@pytest.mark.parametrize('name', ['NasBench201', 'DARTS of any size', 'AutoFormer',
                                  'NasBench101', 'own ENAS of any size'])
def test_the_network_is_a_copy(name, make_supernet):
    supernet = make_supernet(name)
    sample = UniformSampler(supernet, seed=4).sample()
    before = {key: value.clone() for key, value in supernet.state_dict().items()}
    network = extract(supernet, sample).train()
    assert not any(isinstance(module, BaseSuperNetModule) for module in network.modules())
    optimizer = torch.optim.SGD(network.parameters(), 1.)
    network(torch.randn(4, 3, 32, 32)).square().sum().backward()
    assert all(parameter.is_leaf for parameter in network.parameters())
    optimizer.step()
    assert biggest_difference(network.state_dict(), extract(supernet, sample).state_dict()) > 0
    assert all(torch.equal(value, before[key]) for key, value in supernet.state_dict().items())
    assert all(parameter.grad is None for parameter in supernet.parameters())


@pytest.mark.slow
def test_two_slots_of_a_node_do_not_share_an_operation(make_supernet):
    supernet = make_supernet('DARTS')
    sample = {label: [0] if 'input' in label else 'sep_conv_3x3'
              for label in UniformSampler(supernet).sample()}
    network, trial = extract(supernet, sample), trial_network(supernet, sample)
    assert len(list(network.parameters())) == len(list(trial.parameters()))


def test_what_is_shared_stays_shared_and_custom_modules_freeze_themselves():
    supernet = RandomOneShot().mutate_model(Tied())
    network = extract(supernet, {'second': 0})
    assert network.second is network.first[0] is not supernet.first[0]
    assert isinstance(network.fixed, nn.Sequential) and len(network.fixed) == 2
    supernet.second = Custom()
    assert extract(supernet, {'second': 1}).second.beta == 2


def test_double_precision_is_kept():
    class Space(ModelSpace):
        def __init__(self):
            super().__init__()
            self.linear = MutableLinear(3, choice('width', [2, 4]))

    supernet = SPOS().mutate_model(Space()).double()
    nn.init.normal_(supernet.linear.weight)
    network = extract(supernet, {'width': 2})
    assert torch.equal(network.linear.weight, supernet.linear.weight[:2])



@pytest.mark.slow
@pytest.mark.parametrize('training', [True, False])
def test_training_mode_is_kept(training, make_supernet):
    supernet = make_supernet('DARTS of any size').train(training)
    network = extract(supernet, UniformSampler(supernet, seed=5).sample())
    leaves = [module for module in network.modules() if not list(module.children())]
    assert {module.training for module in leaves} == {training}


def test_model_of_a_strategy(make_space, make_evaluator):
    space, evaluator = make_space(), make_evaluator()
    model_space = RawFormatModelSpace(space, evaluator)
    supernet = RandomOneShot().mutate_model(space)
    sample = UniformSampler(supernet).sample()
    model = SubnetModelSpace.from_supernet(model_space, supernet, sample, {'score': 0.5})
    assert (model.sample, model.metric, model.status) == (sample, 0.5, ModelStatus.Trained)
    assert model.evaluator is evaluator
    first, second = model.executable_model(), model.executable_model()
    assert first is not second
    assert biggest_difference(first.state_dict(), second.state_dict()) == 0


# Guards: when one of these fails, NNI does itself what `extract` is for.

@pytest.mark.slow
@pytest.mark.parametrize('name', ['ProxylessNAS', 'MobileNetV3', 'ShuffleNet'])
def test_nni_still_fails_to_freeze_operations_without_bias(name, make_supernet):
    supernet = make_supernet(name)
    with pytest.raises(RuntimeError, match='Unexpected key.*"bias"'):
        supernet.freeze(UniformSampler(supernet).sample())


@pytest.mark.parametrize('name', ['DARTS', 'ENAS'])
def test_nni_still_loses_the_weights_of_nds_spaces(name, make_supernet):
    supernet = make_supernet(name)
    sample = UniformSampler(supernet).sample()
    first, second = (supernet.freeze(sample).state_dict() for _ in range(2))
    assert biggest_difference(first, second) > 0.01


@pytest.mark.slow
def test_networks_of_trials_still_differ_from_the_supernet(make_supernet):
    """Copying the weights into a trial's network would not do."""
    supernet = make_supernet('MobileNetV3')
    sample = {**UniformSampler(supernet).sample(), 's2_i0_se': 'identity'}
    assert len(trial_network(supernet, sample).blocks[2][0]) == 8
    assert len(extract(supernet, sample).blocks[2][0]) == len(supernet.blocks[2].blocks[0]) == 9
    supernet = make_supernet('DARTS of any size')
    sample = {**UniformSampler(supernet).sample(), 'depth': 3}
    assert 'Factorized' in type(trial_network(supernet, sample).stages[2][0].preprocessor.pre0
                                ).__name__
    assert 'Factorized' not in type(supernet.stages[2].blocks[0].preprocessor.pre0).__name__
    supernet = make_supernet('ProxylessNAS')
    sample = UniformSampler(supernet).sample()
    assert trial_network(supernet, sample).stem[1].eps == 1e-3
    assert extract(supernet, sample).stem[1].eps == supernet.stem[1].eps == 1e-5
