"""Tokens of architectures, over NNI's spaces, the package's own and those of users."""

from __future__ import annotations

import itertools

import nni
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from nni.mutable import (
    Categorical,
    CategoricalMultiple,
    ExpressionConstraint,
    MutableDict,
    Numerical,
)
from nni.nas.hub.pytorch import DARTS, MobileNetV3Space
from nni.nas.hub.pytorch import NasBench101 as HubNasBench101
from nni.nas.nn.pytorch import LayerChoice, ModelSpace, MutableConv2d, MutableLinear, Repeat
from torch import nn

from nni_rankreg import space as own
from nni_rankreg.predictor import TokenCodec
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.typing import sample_key


class Users(ModelSpace):
    """A user's space: a width, a kernel, a rate, a layer, a depth, and a width that is fixed."""

    def __init__(self):
        super().__init__()
        width = nni.choice('width', [4, 8, 12])
        self.stem = MutableConv2d(3, width, nni.choice('kernel', [1, 3]), padding='same')
        self.layer = LayerChoice({'relu': nn.ReLU(), 'tanh': nn.Tanh()}, label='layer')
        self.dropout = nn.Dropout(0.1)
        self.blocks = Repeat(lambda index: nn.Identity(), (1, 3), label='depth')
        self.head = MutableLinear(width, nni.choice('classes', [10]))


def mixed():
    """Return a space of every kind of label that has a list of choices, with a constraint."""
    a, b = Categorical([0, 1, 2], label='a'), Categorical([0, 1, 2], label='b')
    return MutableDict(
        a=a, b=b, fixed=Categorical(['only'], label='fixed'),
        one=CategoricalMultiple(['x', 'y', 'z'], n_chosen=1, label='one'),
        two=CategoricalMultiple([1, 2, 3], n_chosen=2, label='two'),
        some=CategoricalMultiple([True, None], label='some'),
        rate=Categorical([0.5, 1, '1'], weights=[0.5, 0.25, 0.25], label='rate'),
        constraint=ExpressionConstraint(a + b <= 2, label='constraint'))


SPACES = {
    'mixed': mixed, "a user's": Users,
    'NasBench101': lambda: own.NasBench101(4, 1, 1),
    "NNI's NasBench101": lambda: HubNasBench101(4, 1, 1),
    'NasBench201': lambda: own.NasBench201(4, 1),
    'DARTSSpace': lambda: own.DARTSSpace((4, 8), (3, 6)),
    "NNI's DARTS": lambda: DARTS(4, 3, 'cifar'), 'ENAS': lambda: own.ENAS(4, 4),
    'PNAS': lambda: own.PNAS(4, 3), 'AmoebaNet': lambda: own.AmoebaNet((4, 8), 4),
    'NASNet': lambda: own.NASNet(4, 3),
    'MobileNetV3': lambda: MobileNetV3Space(10, (8,) * 9, depth_range=(1, 2)),
}


@pytest.fixture(scope='module', params=SPACES)
def codec_and_leaves(request):
    leaves = SPACES[request.param]().simplify()
    return TokenCodec(leaves), leaves


@pytest.mark.slow
def test_a_round_trip_changes_nothing(codec_and_leaves):
    codec, leaves = codec_and_leaves
    samples = UniformSampler(leaves, seed=1).distinct(20)
    tokens = codec.encode(samples)
    assert codec.decode(tokens) == samples
    assert len({tuple(row) for row in tokens.tolist()}) == 20
    assert codec.mask[torch.arange(tokens.shape[1]), tokens].all()
    assert all(map(codec.valid, samples))
    assert all(leaf.contains(dict(sample)) for leaf in leaves.values() for sample in samples)


def test_any_tokens_are_an_architecture_or_violate_a_constraint(codec_and_leaves):
    codec, leaves = codec_and_leaves
    tokens = torch.multinomial(codec.mask.double(), 50, replacement=True,
                               generator=torch.Generator().manual_seed(3)).T
    for row, sample in zip(tokens, codec.decode(tokens)):
        holds = all(leaf.contains(dict(sample)) for leaf in leaves.values())
        assert codec.valid(sample) is holds
        if holds:
            assert torch.equal(codec.encode([sample])[0], row)


def test_each_token_belongs_to_one_position(codec_and_leaves):
    codec, _ = codec_and_leaves
    assert (codec.mask.sum(0) == 1).all() and (codec.mask.sum(1) >= 2).all()


def test_tokens_enumerate_a_small_space():
    codec, leaves = TokenCodec(mixed()), mixed().simplify()
    choices = dict(
        a=[0, 1, 2], b=[0, 1, 2], fixed=['only'], one=[['x'], ['y'], ['z']],
        two=[[1, 2], [1, 3], [2, 3]], some=[[], [True], [None], [True, None]],
        rate=[0.5, 1, '1'])
    vocabularies = [row.nonzero().flatten().tolist() for row in codec.mask]
    decoded = codec.decode(torch.tensor(list(itertools.product(*vocabularies))))
    expected = [dict(zip(choices, row)) for row in itertools.product(*choices.values())]
    assert sorted(map(sample_key, decoded)) == sorted(map(sample_key, expected))
    assert sum(map(codec.valid, decoded)) == len(expected) * 6 // 9
    assert len(leaves) == 8


def test_draws_are_valid():
    codec, random = TokenCodec(mixed()), np.random.RandomState(0)
    drawn = [codec.draw(random) for _ in range(30)]
    assert all(sample['a'] + sample['b'] <= 2 for sample in drawn)
    assert len(set(map(sample_key, drawn))) > 20


def test_decoded_lists_are_not_shared():
    codec = TokenCodec(mixed())
    tokens = codec.encode([UniformSampler(mixed()).sample()] * 2)
    first, second = codec.decode(tokens)
    first['two'].append('changed')
    assert codec.decode(tokens)[0] == second


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=6).filter(lambda x: max(x) > 1), st.data())
def test_codes_of_a_grid_are_mixed_radix_digits(sizes, data):
    leaves = {f'x{i}': Categorical(range(size), label=f'x{i}') for i, size in enumerate(sizes)}
    digits = [data.draw(st.integers(0, size - 1)) for size in sizes]
    offsets = np.cumsum([0] + [size for size in sizes if size > 1])
    codec = TokenCodec(leaves)
    expected = [digit for digit, size in zip(digits, sizes) if size > 1] + offsets[:-1]
    assert codec.encode([{f'x{i}': digit for i, digit in enumerate(digits)}]).tolist() == [
        expected.tolist()]
    assert codec.mask.shape == (len(expected), offsets[-1])


def test_labels_without_a_list_of_choices_are_refused():
    with pytest.raises(ValueError, match=r"Expected labels with a list of choices.*\['rate'\]"):
        TokenCodec({'rate': Numerical(0, 1, label='rate'), 'a': Categorical([1, 2], label='a')})


@pytest.mark.parametrize('sample', [{'a': 0}, {'a': 0, 'b': 5}, {'a': 2, 'b': 2}])
def test_foreign_architectures_are_refused(sample):
    a, b = Categorical([0, 1, 2], label='a'), Categorical([0, 1, 2], label='b')
    codec = TokenCodec(MutableDict(a=a, b=b, c=ExpressionConstraint(a + b <= 2, label='c')))
    with pytest.raises(ValueError, match='Expected (an|one of .* of an) architecture'):
        codec.encode([sample])
