"""Exact activation, against NNI's ``resample(memo=sample)`` on every module."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from nni.mutable import SampleValidationError
from nni.nas.evaluator.pytorch import ClassificationModule
from nni.nas.nn.pytorch import InputChoice, LayerChoice, ModelSpace, Repeat
from nni.nas.oneshot.pytorch.sampling import RandomSamplingLightningModule
from nni.nas.oneshot.pytorch.supermodule.base import BaseSuperNetModule
from nni.nas.oneshot.pytorch.supermodule.operation import MixedOperation
from nni.nas.strategy import RandomOneShot
from torch import nn

from nni_rankreg.host.network import activation
from nni_rankreg.host.network.activation import Activator
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.supernet import SuperNetModule

OWN = ['NasBench101', 'own NasBench201', 'own DARTSSpace', 'own DARTSSpace of any size',
       'own ENAS of any size', 'own PNAS', 'own AmoebaNet', 'own NASNet']


class Custom(BaseSuperNetModule):
    """A super-net module of a user, of which nothing is known."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def resample(self, memo):
        self.seen.append(memo['layer'])
        return {}


class Mixed(ModelSpace):
    """Layers, inputs of which two are chosen, and a depth."""

    def __init__(self):
        super().__init__()
        self.layer = LayerChoice([nn.Linear(3, 3), nn.Identity()], label='layer')
        self.blocks = Repeat(lambda index: LayerChoice(
            [nn.Linear(3, 3), nn.ReLU()], label=f'block{index}'), (1, 3), label='depth')
        self.inputs = InputChoice(3, 2, label='inputs')

    def forward(self, x):
        first = self.layer(x)
        return self.inputs([x, first, self.blocks(first)])


def supernet_modules(supernet):
    return {name: module for name, module in supernet.named_modules()
            if isinstance(module, BaseSuperNetModule)}


def state(supernet):
    """Return what decides about the path, of every module of a super-net."""
    return {name: next(vars(holder)[key] for key in ('_sampled', 'spec', 'single')
                       if key in vars(holder))
            for name, module in supernet_modules(supernet).items() for holder in [
                module.sampling_policy if isinstance(module, MixedOperation) else module]}


def resample(supernet, sample):
    """Activate a sample in NNI's way."""
    result = dict(sample)
    for module in supernet_modules(supernet).values():
        result.update(module.resample(memo=result))
    return result


@pytest.mark.slow
@pytest.mark.parametrize('name, remembered', [
    *((name, 256) for name in ['NasBench201', 'DARTS', 'DARTS of any size', 'ProxylessNAS',
                               'MobileNetV3', 'ShuffleNet of any width', 'AutoFormer', *OWN]),
    ('NasBench201', 2), ('AutoFormer', 2)])
def test_state_is_that_of_nni(name, remembered, make_supernet, monkeypatch):
    monkeypatch.setattr(activation, '_REMEMBERED_CHOICES', remembered)
    supernet, reference = make_supernet(name), make_supernet(name)
    activate, sampler = Activator(supernet), UniformSampler(supernet, seed=3)
    samples = [sampler.sample() for _ in range(4)]
    assert set(resample(reference, {})) - {'cell/valid'} == set(samples[0])  # no less, no more
    states = []
    for sample in [*samples, *samples[::-1]]:
        activate(sample)
        resample(reference, sample)
        assert state(supernet) == state(reference)
        states.append(state(supernet))
    assert len({repr(one) for one in states}) == 4


def test_output_is_that_of_nni():
    supernet = RandomOneShot().mutate_model(Mixed())
    reference = deepcopy(supernet)
    activate, sampler = Activator(supernet), UniformSampler(supernet)
    x, outputs = torch.randn(2, 3), []
    for _ in range(20):
        sample = sampler.sample()
        activate(sample)
        resample(reference, sample)
        outputs.append(supernet(x))
        assert torch.equal(outputs[-1], reference(x))
    assert not torch.equal(outputs[0], outputs[1])


def test_a_remembered_choice_asks_no_module_again(make_supernet, monkeypatch):
    supernet = make_supernet('MobileNetV3')
    activate, sampler = Activator(supernet), UniformSampler(supernet)
    first, second = sampler.distinct(2)
    calls = []
    original = MixedOperation.resample
    monkeypatch.setattr(MixedOperation, 'resample', lambda self, memo: (
        calls.append(self), original(self, memo))[1])
    activate(first)
    activate(second)
    assert len(calls) > 10
    calls.clear()
    activate(first)
    activate(second)
    assert not calls


def test_nni_still_has_no_exact_activation(make_supernet, make_batches):
    """Guard: NNI's own one-shot module draws anew in each step, whatever was active."""
    module = RandomSamplingLightningModule(ClassificationModule(num_classes=10))
    module.set_model(make_supernet())
    module.log = module.training_module.log = lambda *_, **__: None
    sample = UniformSampler(module.model).sample()
    batch, kept = make_batches([4])[0], []
    for _ in range(10):
        resample(module.model, sample)
        before = repr(state(module.model))
        module.training_step(batch, 0)
        kept.append(repr(state(module.model)) == before)
    assert not all(kept)


@pytest.mark.parametrize('name', ['NasBench201', 'DARTS', 'MobileNetV3', 'NasBench101',
                                  'own ENAS of any size'])
def test_missing_label_is_an_error_not_a_random_choice(name, make_supernet):
    supernet = make_supernet(name)
    activate, sample = Activator(supernet), UniformSampler(supernet).sample()
    assert activate.labels == set(sample)
    for label in list(sample)[::5]:
        with pytest.raises(ValueError, match=f"Expected a choice for each.*got none for '{label}'"):
            activate({key: choice for key, choice in sample.items() if key != label})


def test_a_failed_activation_is_not_taken_for_done(make_supernet):
    supernet, reference = make_supernet('AutoFormer'), make_supernet('AutoFormer')
    activate, sample = Activator(supernet), UniformSampler(supernet).sample()
    activate(sample)
    with pytest.raises(SampleValidationError):
        activate({**sample, 'embed_dim': 17})
    activate(sample)
    resample(reference, sample)
    assert state(supernet) == state(reference)


def test_later_changes_of_a_sample_have_no_effect():
    supernet = RandomOneShot().mutate_model(Mixed())
    activate, sample = Activator(supernet), UniformSampler(supernet).sample()
    sample['inputs'] = [0, 1]
    activate(sample)
    sample['inputs'][1] = 2
    assert state(supernet)['inputs'] == [0, 1]
    activate(sample)
    activate({**sample, 'inputs': [0, 1]})
    assert state(supernet)['inputs'] == [0, 1]


def test_unknown_modules_are_resampled_each_time():
    supernet = RandomOneShot().mutate_model(Mixed())
    supernet.custom = custom = Custom()
    activate = Activator(supernet)
    sample = UniformSampler(Mixed()).sample()
    for choice in (0, 1, 1):
        activate({**sample, 'layer': choice})
    assert custom.seen == [0, 1, 1]


def test_a_copy_of_a_supernet_is_activated_on_its_own(make_supernet):
    module = SuperNetModule(ClassificationModule(num_classes=10))
    module.set_model(make_supernet())
    first, second = module.sampler.distinct(2)
    module.activate(first)
    copy = deepcopy(module)
    copy.activate(second)
    reference = make_supernet()
    resample(reference, first)
    assert state(module.model) == state(reference)
    resample(reference, second)
    assert state(copy.model) == state(reference)
