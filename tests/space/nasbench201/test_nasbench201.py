"""The space of NAS-Bench-201 and its encoding, as a whole and against the benchmark's table."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from nni.mutable import SampleValidationError
from nni.nas.hub.pytorch import NasBench201 as NniNasBench201
from nni.nas.space import model_context
from torch.utils.flop_counter import FlopCounterMode

from nni_rankreg.sampler import UniformSampler
from nni_rankreg.sampler.choice import ChoiceSpace
from nni_rankreg.space import NasBench201, choice_parameters, decode_nasbench201, encode_nasbench201
from nni_rankreg.space.nasbench201 import CHOICES, EDGES


def every_sample():
    for choices in itertools.product(CHOICES, repeat=6):
        yield {f'cell/{source}_{target}': choice
               for (source, target), choice in zip(EDGES, choices)}


def test_every_architecture_has_its_own_string_and_back():
    strings = [encode_nasbench201(sample) for sample in every_sample()]
    assert len(set(strings)) == 5 ** 6 == 15_625
    assert all(decode_nasbench201(string) == sample
               for string, sample in zip(strings, every_sample()))


def test_the_strings_are_those_of_the_benchmark(shared_data):
    table = np.load(shared_data / 'nb201.npz')
    strings = [text.decode() for text in table['arch'].tolist()]
    assert {encode_nasbench201(sample) for sample in every_sample()} == set(strings)
    assert [encode_nasbench201(decode_nasbench201(text)) for text in strings] == strings


def test_known_string():
    sample = dict(zip((f'cell/{source}_{target}' for source, target in EDGES),
                      ['conv_3x3', 'conv_3x3', 'none', 'skip_connect', 'conv_1x1',
                       'avg_pool_3x3']))
    string = ('|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+'
              '|skip_connect~0|nor_conv_1x1~1|avg_pool_3x3~2|')
    assert encode_nasbench201(sample) == string
    assert decode_nasbench201(string) == sample


def test_labels_and_choices_are_those_of_nni():
    leaves = NasBench201(4, 1, 10).simplify()
    assert set(leaves) == {f'cell/{source}_{target}' for source, target in EDGES}
    assert all(set(leaf.values) == set(CHOICES) for leaf in leaves.values())
    assert all(leaf.contains({label: choice}) for label, leaf in leaves.items()
               for choice in CHOICES)


@pytest.mark.slow
def test_networks_are_those_of_nni():
    torch.manual_seed(0)
    ours = NasBench201(4, 2, 10)
    torch.manual_seed(0)
    theirs = NniNasBench201(4, 2, 10)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert all(map(torch.equal, ours.state_dict().values(), theirs.state_dict().values()))
    images = torch.randn(2, 3, 8, 8)
    for sample in UniformSampler(ours, seed=1).distinct(5):
        torch.testing.assert_close(ours.freeze(sample)(images), theirs.freeze(sample)(images))


SAMPLE = next(every_sample())


@pytest.mark.parametrize('sample', [
    {},
    {**SAMPLE, 'extra': 'none'},
    {label: choice for label, choice in SAMPLE.items() if label != 'cell/0_1'},
    {**SAMPLE, 'cell/0_1': 'nor_conv_3x3'},
], ids=['empty', 'extra label', 'missing label', 'name of the string'])
def test_encode_refuses_other_samples(sample):
    with pytest.raises(ValueError, match=r"Expected the labels \['cell/0_1', .*'conv_3x3'"):
        encode_nasbench201(sample)


@pytest.mark.parametrize('string', [
    '',
    '|none~0|',
    '|none~0|+|none~0|none~1|+|none~0|none~1|none~2|+',
    '|none~0|+|none~0|none~0|+|none~0|none~1|none~2|',
    '|none~0|+|none~0|none~1|+|none~0|none~1|conv_3x3~2|',
    ' |none~0|+|none~0|none~1|+|none~0|none~1|none~2|',
    '|none~0|+|none~0|none~1|+|none~0|none~1|none~2|\n',
], ids=['empty', 'short', 'tail', 'wrong source', "NNI's name", 'blank', 'newline'])
def test_decode_refuses_other_strings(string):
    with pytest.raises(ValueError, match='Expected a string such as .*nor_conv_3x3.*, got '):
        decode_nasbench201(string)


def trial_network(sample, **kwargs):
    """Return a network of the benchmark's size, without memory for its weights."""
    with torch.device('meta'), model_context(sample):
        return NasBench201(**kwargs)


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.fixture(scope='module')
def table(shared_data):
    """Return all architectures, and how many parameters each has by the number of labels."""
    with np.load(shared_data / 'nb201.npz') as table:
        return ([decode_nasbench201(text.decode()) for text in table['arch'].tolist()],
                {labels: table[f'params_c{labels}'].tolist() for labels in (10, 100)})


@pytest.mark.parametrize('labels', [10, 100])
def test_parameters_are_those_of_the_benchmark(labels, table):
    """Sum the choices' parameters for all architectures; build some of the networks."""
    samples, wanted = table[0], table[1][labels]
    with torch.device('meta'):
        sizes = choice_parameters(NasBench201(num_labels=labels))
    rest = parameters(trial_network(dict.fromkeys(samples[0], 'none'), num_labels=labels))
    assert wanted == [rest + sum(sizes[label][choice] for label, choice in sample.items())
                      for sample in samples]
    for row in np.random.RandomState(0).permutation(len(samples))[:10]:
        assert parameters(trial_network(samples[row], num_labels=labels)) == wanted[row]


@pytest.mark.slow
@pytest.mark.parametrize('labels, fixed', [(10, 7_783_050), (100, 7_788_900)])
def test_multiply_adds_are_those_of_the_benchmark(labels, fixed):
    """The benchmark counts convolutions and the classifier with its bias, for 32 x 32 pixels."""
    samples = list(every_sample())
    for row in np.random.RandomState(1).permutation(len(samples))[:8]:
        choices = list(samples[row].values())
        with FlopCounterMode(display=False) as counter:
            trial_network(samples[row], num_labels=labels)(torch.empty(
                1, 3, 32, 32, device='meta'))
        assert counter.get_total_flops() // 2 + labels == (
            fixed + 3_932_160 * choices.count('conv_1x1') + 35_389_440 * choices.count('conv_3x3'))


def test_number_of_architectures():
    assert ChoiceSpace(NasBench201(4, 1)).size == 15_625
    assert ChoiceSpace(NasBench201(4, 1, none=False)).size == 4_096


def test_without_none():
    space, sample = NasBench201(4, 2, 7, none=False), dict.fromkeys(SAMPLE, 'conv_3x3')
    five = NasBench201(4, 2, 7)
    assert all(leaf.values == [*CHOICES][1:] for leaf in space.simplify().values())
    names = [name for name, _ in five.named_parameters()]
    assert [name for name, _ in space.named_parameters()] == names
    kwargs = dict(stem_out_channels=4, num_modules_per_stack=2, num_labels=7, none=False)
    assert parameters(trial_network(sample, **kwargs)) == parameters(space.freeze(sample))
    assert space(torch.randn(2, 3, 8, 8)).shape == (2, 7)
    with pytest.raises(SampleValidationError):
        trial_network({**sample, 'cell/0_1': 'none'}, **kwargs)
