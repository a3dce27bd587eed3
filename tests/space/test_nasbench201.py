"""The encoding of NAS-Bench-201, over the whole space and against the benchmark's own strings."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from nni_rankreg.space import NasBench201, decode_nasbench201, encode_nasbench201
from nni_rankreg.space.nasbench201 import CHOICES, EDGES

TABLE = Path(__file__).resolve().parents[3] / 'shared' / 'data' / 'nb201.npz'


def every_sample():
    for choices in itertools.product(CHOICES, repeat=6):
        yield {f'cell/{source}_{target}': choice
               for (source, target), choice in zip(EDGES, choices)}


def test_every_architecture_has_its_own_string_and_back():
    strings = [encode_nasbench201(sample) for sample in every_sample()]
    assert len(set(strings)) == 5 ** 6 == 15_625
    assert all(decode_nasbench201(string) == sample
               for string, sample in zip(strings, every_sample()))


@pytest.mark.skipif(not TABLE.exists(), reason='the table of the benchmark is not there')
def test_the_strings_are_those_of_the_benchmark():
    strings = [text.decode() for text in np.load(TABLE)['arch'].tolist()]
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
