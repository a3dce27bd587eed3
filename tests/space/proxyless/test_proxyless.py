"""The space of ProxylessNAS, against NNI's networks, counted layers and TuNAS' codes."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from nni.nas.hub.pytorch import ProxylessNAS as HubProxylessNAS
from nni.nas.nn.pytorch import LayerChoice, ModelSpace
from nni.nas.strategy import RandomOneShot
from scipy.stats import binomtest
from torch import nn

from nni_rankreg.proxy.static import flops, params
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.space import ProxylessNAS, decode_proxyless, encode_proxyless

SMALL = (16, 8, 16, 24, 24, 32, 32, 40, 64)
# The architecture of TuNAS' own test (tunas/mobile_cost_model_test.py), in both codes, and its
# reference network (tunas/mobile_model_archive.py) with the choices of NNI's checkpoint.
LONG = ('0:0:0:1:0:0:0:0:1:0:0:1:0:0:1:0:1:1:0:1:0:0:1:0:0:0:0:0:0:2:1:0:1:1:0:2:1:0:2:1:0:0:'
        '1:1:0:0:0:0:1:0:0:1:0:0:0:1:1:0:2:0:0:0:0:0:1:0:0:0:2:1:0:0:0')
SHORT = (0, 1, 6, 6, 6, 4, 1, 1, 0, 5, 4, 5, 5, 4, 0, 1, 1, 4, 2, 0, 1, 5)
MOBILE = (0, 1, 0, 6, 6, 2, 0, 1, 1, 5, 1, 1, 1, 4, 1, 1, 1, 5, 5, 2, 2, 5)
MOBILE_CHOICES = {
    2: 'k5e3 k3e3', 3: 'k7e3 k3e3 k5e3 k5e3', 4: 'k7e6 k5e3 k5e3 k5e3', 5: 'k5e6 k5e3 k5e3 k5e3',
    6: 'k7e6 k7e6 k7e3 k7e3', 7: 'k7e6'}


def hub_arch(choices):
    """Return stages of choices in the form of NNI's class: a depth and the first blocks."""
    return {**{f's{stage}_depth': len(names.split()) for stage, names in choices.items()},
            **{f's{stage}_i{index}': name for stage, names in choices.items()
               for index, name in enumerate(names.split())}}


def test_codes_of_tunas():
    assert encode_proxyless(decode_proxyless(LONG)) == SHORT
    assert decode_proxyless([int(one) for one in LONG.split(':')]) == decode_proxyless(SHORT)
    sample, arch = decode_proxyless(MOBILE), hub_arch(MOBILE_CHOICES)
    assert {label: choice for label, choice in sample.items() if choice != 'skip'} == {
        label: choice for label, choice in arch.items() if 'depth' not in label}


def test_round_trip_of_many():
    samples = UniformSampler(ProxylessNAS(widths=(8,) * 9)).distinct(3000)
    codes = [encode_proxyless(sample) for sample in samples]
    assert [decode_proxyless(code) for code in codes] == samples
    assert len(set(codes)) == 3000 and {len(code) for code in codes} == {22}


def test_every_choice_at_every_position_has_its_code():
    space = ProxylessNAS(widths=(8,) * 9)
    base = decode_proxyless([0, *[0] * 21])
    seen = {encode_proxyless({**base, label: choice})
            for label, leaf in space.simplify().items() for choice in leaf.values}
    assert len(seen) == 1 + 6 * 5 + 15 * 6


@pytest.mark.parametrize('code, message', [
    ([0] * 21, 'Expected 22 numbers'), ([1, *[0] * 21], 'kernel of stage 1'),
    ([0, 7, *[0] * 20], 'Expected 22 numbers'), ('0:0:1', 'Expected 22 numbers'),
    ([0, 6, *[0] * 20], "behind the first block of a stage, got 'skip' at s2_i0")])
def test_codes_of_no_architecture(code, message):
    with pytest.raises(ValueError, match=message):
        decode_proxyless(code)


def test_architectures_of_other_spaces():
    with pytest.raises(ValueError, match=r"Expected the labels \['s2_i0', .*got \['cell/0_1'\]"):
        encode_proxyless({'cell/0_1': 'none'})


@pytest.mark.parametrize('blocks', [(1,) * 6, (2, 1, 1, 1, 1, 1), (1, 3, 1, 1, 2, 1)])
def test_cardinality_of_reduced_spaces(blocks):
    space = ProxylessNAS(widths=(8,) * 9, blocks=blocks)
    choices = [leaf.values for leaf in space.simplify().values()]
    if math.prod(map(len, choices)) < 50_000:
        assert len(set(itertools.product(*choices))) == space.cardinality()
    assert space.cardinality() == math.prod(map(len, choices)) == 6 ** 6 * 7 ** (sum(blocks) - 6)


def test_cardinality_is_the_published_one():
    assert ProxylessNAS(widths=(8,) * 9).cardinality() == 6 ** 6 * 7 ** 15 == 221502229807900608


@pytest.mark.parametrize('arguments, message', [
    (dict(widths=(8,) * 8), r'Expected 9 widths and 6 numbers of blocks, got \(8, .* and \(4, 4'),
    (dict(blocks=(4,) * 5), 'Expected 9 widths and 6 numbers of blocks, got'),
    (dict(blocks=(0,) * 6), r'Expected whole numbers from 1 to 1000 as blocks, got \(0, 0'),
    (dict(skip=0), 'Expected 0 < skip < 1, got 0'), (dict(skip=1), 'Expected 0 < skip < 1, got 1')])
def test_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        ProxylessNAS(**arguments)


def test_network_is_that_of_nni():
    sample = decode_proxyless(MOBILE)
    network = ProxylessNAS(10, SMALL).freeze(sample).eval()
    hub = HubProxylessNAS.frozen_factory(hub_arch(MOBILE_CHOICES))(
        num_labels=10, base_widths=SMALL).eval()
    ours = list(network.state_dict().values())
    assert [one.shape for one in ours] == [one.shape for one in hub.state_dict().values()]
    hub.load_state_dict(dict(zip(hub.state_dict(), ours)))
    x = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(network(x), hub(x))
    assert network.stem[1].eps == hub.stem[1].eps == 1e-3


@pytest.mark.slow
@pytest.mark.parametrize('pixels', [32, 45])
def test_cost_is_that_of_the_network(pixels):
    space = ProxylessNAS(10, SMALL)
    for sample in UniformSampler(space, seed=pixels).distinct(3):
        network, cost = space.freeze(sample), space.cost(sample, pixels)
        assert cost.params == sum(one.numel() for one in network.parameters())
        assert cost.params == round(params(network) * 1e6)
        assert cost.macs == round(flops(network, (torch.zeros(1, 3, pixels, pixels), None)) * 1e6)


def test_published_size_of_the_reference_network():
    """ProxylessNAS-mobile has 4.08 M parameters and 320 M multiply-accumulates (its authors)."""
    cost = ProxylessNAS().cost(decode_proxyless(MOBILE))
    assert (round(cost.params / 1e6, 2), round(cost.macs / 1e6)) == (4.08, 320)


@pytest.mark.slow
@pytest.mark.parametrize('skip', [0.5, 0.2])
def test_blocks_are_skipped_as_often_as_said_also_in_a_supernet(skip):
    space = ProxylessNAS(10, (8,) * 9, skip=skip)
    supernet = RandomOneShot().mutate_model(ProxylessNAS(10, (8,) * 9, skip=skip))
    for where in (space, supernet):
        drawn = [one for sample in (UniformSampler(where, seed=1).distinct(200)) for label, one
                 in sample.items() if not label.endswith('i0')]
        assert binomtest(drawn.count('skip'), len(drawn), skip).pvalue > 1e-3
        kept = [one for one in drawn if one != 'skip']
        assert min(map(kept.count, set(kept))) > len(kept) / 6 * 0.8


class Biased(ModelSpace):
    def __init__(self):
        super().__init__()
        self.op = LayerChoice([nn.Identity(), nn.Identity()], weights=[.9, .1], label='op')


def test_nni_still_forgets_probabilities():
    """Guard: when this fails, the hook of the space is no longer needed."""
    assert Biased().op.choice.weights == [.9, .1]
    assert RandomOneShot().mutate_model(Biased()).op.choice.weights == [.5, .5]


def test_initial_weights_are_kept_by_a_supernet():
    """Unlike in NNI's space, whose super-net has new ones: He's, by the outputs."""
    space = ProxylessNAS(10, (64,) * 9)
    supernet = RandomOneShot().mutate_model(space)
    weight = supernet.blocks[0]['k3e6'][0][0].weight
    assert weight.std().item() == pytest.approx(math.sqrt(2 / 384), rel=0.02)
    assert supernet.classifier.weight.std().item() == pytest.approx(0.01, rel=0.15)
