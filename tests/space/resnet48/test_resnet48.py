"""The ResNet48 space, against 45,000 real codes, built networks and published correlations."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy.stats import binomtest, kendalltau, pearsonr, spearmanr

from nni_rankreg.proxy.static import flops
from nni_rankreg.sampler import MarginPairSampler, UniformSampler
from nni_rankreg.space import ResNet48, decode_resnet48, encode_resnet48, width_distance
from nni_rankreg.space.resnet48.space import _width

CODE = '122522123200000021310000005343332313000000' + '7666000000'


@pytest.fixture(scope='module')
def space():
    return ResNet48(10, (16, 24, 32, 40))


@pytest.fixture(scope='module')
def table(shared_data):
    with np.load(shared_data / 'resnet48_track1.npz', allow_pickle=False) as data:
        return {**data, 'arch': [code.decode() for code in data['arch'].tolist()]}


@pytest.mark.slow
def test_real_codes_round_trip(table):
    samples = [decode_resnet48(code) for code in table['arch']]
    assert [encode_resnet48(sample) for sample in samples] == table['arch']
    depths = np.array([[sample[f's{stage}_depth'] for stage in range(1, 5)] for sample in samples])
    assert depths.min(0).tolist() == [2] * 4 and depths.max(0).tolist() == [5, 5, 8, 5]


def test_drawn_architectures_have_codes(space):
    for sample in UniformSampler(space, seed=1).distinct(500):
        code = encode_resnet48(sample)
        same = decode_resnet48(code)
        present = [label for label in sample if '_i' not in label
                   or int(label.split('i')[1]) < sample[f'{label[:2]}_depth']]
        assert len(code) == 52 and code[0] == '1' and encode_resnet48(same) == code
        assert {label: same[label] for label in present} == {
            label: sample[label] for label in present}


def test_meaning_of_the_digits():
    sample = decode_resnet48(CODE)
    assert [sample[f's{stage}_depth'] for stage in range(1, 5)] == [2, 2, 5, 2]
    assert [sample[f's{stage}_width'] for stage in range(1, 5)] == [.95, 1., .9, .75]
    assert [sample[f's3_i{index}'] for index in range(8)] == [.8, .85, .9, .95, 1., 1., 1., 1.]


@pytest.mark.parametrize('position, digit', [
    (0, '2'), (1, '1'), (1, '3'), (3, '9'), (5, '1'), (6, '0'), (6, '8'), (7, '1'), (9, '1'),
    (10, '1'), (51, '1'), (6, 'x')])
def test_codes_of_no_architecture(position, digit):
    assert encode_resnet48(decode_resnet48(CODE)) == CODE
    with pytest.raises(ValueError, match='Expected 52 digits: 1, four depths'):
        decode_resnet48(CODE[:position] + digit + CODE[position + 1:])


@pytest.mark.parametrize('code', ['', CODE[:-1], CODE + '0'])
def test_codes_of_other_lengths(code):
    with pytest.raises(ValueError, match=f"in stage 1.*; got '{code}'"):
        decode_resnet48(code)


@pytest.mark.parametrize('change', [{'s1_depth': 6}, {'s1_i0': .5}, {'other': 1.}])
def test_architectures_of_other_spaces(change):
    with pytest.raises(ValueError, match='Expected the labels .* with depths among'):
        encode_resnet48({**decode_resnet48(CODE), **change})


@pytest.mark.parametrize('depths', [((1, 1),) * 4, ((1, 2), (1, 1), (2, 3), (1, 1))])
@pytest.mark.parametrize('ratios', [(1.,), (1., .5)])
def test_cardinality_of_reduced_spaces(depths, ratios):
    """Count different networks by hand: choices of absent blocks do not count."""
    space = ResNet48(10, (16,) * 4, depths, ratios)
    leaves = {label: leaf.values for label, leaf in space.simplify().items()}
    codes, rates = set(), set()
    for choices in itertools.product(*leaves.values()):
        sample = dict(zip(leaves, choices))
        present = tuple((label, choice) for label, choice in sample.items() if '_i' not in label
                        or int(label.split('i')[1]) < sample[f'{label[:2]}_depth'])
        codes.add(present)
        rates.add(tuple(pair for pair in present if 'width' not in pair[0]))
    assert space.cardinality() == len(codes)
    assert space.cardinality(one_ratio=True) == len(rates)


def test_published_cardinality(space):
    assert f'{space.cardinality(one_ratio=True):.3g}' == '5.06e+19'
    assert f'{space.cardinality():.4g}' == '1.216e+23'


@pytest.mark.parametrize('channels, widths', [
    (64, [64, 64, 56, 56, 48, 48, 48]), (128, [128, 120, 112, 112, 104, 96, 88]),
    (256, [256, 240, 232, 216, 208, 192, 176]), (512, [512, 488, 464, 432, 408, 384, 360])])
def test_published_channels(channels, widths):
    assert [_width(channels, ratio) for ratio in (1., .95, .9, .85, .8, .75, .7)] == widths


@pytest.mark.parametrize('arguments, message', [
    (dict(channels=(8,) * 3), 'Expected channels and depths .* of four stages, got .8, 8, 8. and'),
    (dict(depths=((1, 2),) * 3), 'Expected channels and depths .* of four stages, got'),
    (dict(depths=((1, 2, 3),) * 4), 'Expected channels and depths .* of four stages, got'),
    (dict(depths=(1, 2, 3, 4)), 'Expected channels and depths .* of four stages, got'),
    (dict(depths=((0, 2),) * 4), r'Expected whole numbers from 1 to 1000 as depths, got \(0, 2\)'),
    (dict(depths=((3, 2),) * 4), 'Expected the least depth of a stage before the greatest, got')])
def test_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        ResNet48(**arguments)


@pytest.mark.parametrize('pixels', [32, 45])
def test_cost_is_that_of_the_network(space, pixels):
    for sample in UniformSampler(space, seed=pixels).distinct(3):
        network, cost = space.freeze(sample), space.cost(sample, pixels)
        assert cost.params == sum(one.numel() for one in network.parameters())
        assert cost.macs == round(flops(network, (torch.zeros(1, 3, pixels, pixels), None)) * 1e6)


def test_largest_network_has_48_weighted_layers():
    network = ResNet48(10, (8,) * 4).freeze(decode_resnet48('155851' + '1' * 46))
    kernels = [one.kernel_size for one in network.modules() if isinstance(one, torch.nn.Conv2d)]
    assert len(kernels) - kernels.count((1, 1)) + 1 == 48  # the shortcuts do not count


def test_correlations_with_the_30_stand_alone_accuracies(table):
    """Of the notes on the challenge, computed there by other code: conv MACs, params, depth."""
    space, indices = ResNet48(num_labels=1000, channels=(64, 128, 256, 512)), table['gt30_index']
    samples = [decode_resnet48(table['arch'][index]) for index in indices]
    costs = [space.cost(sample) for sample in samples]
    depths = [sum(sample[f's{stage}_depth'] for stage in range(1, 5)) for sample in samples]
    for scores, published in (([cost.macs for cost in costs], (.819, .748, .591)),
                              ([cost.params for cost in costs], (.823, .789, .614)),
                              (depths, (.831, .760, .638))):
        ours = [correlation(scores, table['gt30_acc'])[0]
                for correlation in (pearsonr, spearmanr, kendalltau)]
        assert ours == pytest.approx(published, abs=0.004)


def test_distance_counts_digits_of_widths():
    a = decode_resnet48(CODE)
    deeper = decode_resnet48(CODE.replace('12252', '13252', 1)[:10] + '52' + CODE[12:])
    wider = decode_resnet48(CODE[:6] + '4' + CODE[7:])
    assert width_distance(a, deeper) == 2        # the two digits of the added block
    assert width_distance(a, wider) == 1
    assert width_distance(a, {**a, 's1_i4': .7}) == 0    # absent


def test_published_distances_of_the_challenge(table):
    """Mean 31.5 of two random codes; 44 % are at least 33 apart (of the notes)."""
    order = np.random.default_rng(0).permutation(len(table['arch']))[:3000]
    samples = [decode_resnet48(table['arch'][index]) for index in order]
    distances = np.array([width_distance(a, b) for a, b in zip(samples[::2], samples[1::2])])
    assert distances.mean() == pytest.approx(31.5, abs=0.5)
    assert binomtest(int((distances >= 33).sum()), len(distances), .44).pvalue > 1e-3


def test_margin_of_rd_nas(space):
    """Random pairs are 34.3 apart on average, 65 % at least 33 (of the notes)."""
    sampler = MarginPairSampler(width_distance, 33, seed=3).over(space)
    pairs = [sampler.sample() for _ in range(300)]
    assert min(width_distance(*pair) for pair in pairs) >= 33
    assert binomtest(sampler.accepted, sampler.drawn, .65).pvalue > 1e-3
