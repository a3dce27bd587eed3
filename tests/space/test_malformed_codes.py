"""Whatever is given as a code or as an architecture: it goes both ways, or is refused in a line."""

from __future__ import annotations

import copy
from functools import partial

import pytest
import torch
from helpers.fuzz import FUZZ
from hypothesis import given
from hypothesis import strategies as st

from nni_rankreg import space as spaces
from nni_rankreg.sampler import UniformSampler

NDS = spaces.ENAS
CODECS = {
    'nasbench101': (spaces.encode_nasbench101, spaces.decode_nasbench101,
                    partial(spaces.NasBench101, 4, 1)),
    'nasbench201': (spaces.encode_nasbench201, spaces.decode_nasbench201,
                    partial(spaces.NasBench201, 4, 1)),
    'nds': (partial(spaces.encode_nds, family=NDS), partial(spaces.decode_nds, family=NDS),
            partial(NDS, (4, 8), (3, 6))),
    'proxyless': (spaces.encode_proxyless, spaces.decode_proxyless, spaces.ProxylessNAS),
    'resnet48': (spaces.encode_resnet48, spaces.decode_resnet48, spaces.ResNet48),
    'depth': (spaces.encode_depth, spaces.decode_depth,
              partial(spaces.DepthDecoder, 'shufflenet_v2_x0_5', channels=8)),
}
JUNK = (st.none() | st.booleans() | st.integers(-3, 99) | st.floats() | st.text(max_size=4)
        | st.binary(max_size=2) | st.lists(st.integers(0, 2), max_size=2) | st.just({}))


@pytest.fixture(scope='module', params=CODECS)
def codec(request):
    encode, decode, make = CODECS[request.param]
    with torch.device('meta'):
        space = make()
    return encode, decode, UniformSampler(space, seed=1).distinct(3)


def spoiled(tree, data):
    """Return the tree with one of its parts left out, doubled or replaced."""
    tree = copy.deepcopy(tree)
    if isinstance(tree, str):
        at = data.draw(st.integers(0, len(tree)))
        return tree[:at] + data.draw(st.text(max_size=2)) + tree[at + data.draw(
            st.integers(0, 3)):]
    if not isinstance(tree, (tuple, list, dict)) or not tree or data.draw(st.integers(0, 9)) == 0:
        return data.draw(JUNK)
    parts = tree if isinstance(tree, dict) else dict(enumerate(tree))
    key = data.draw(st.sampled_from(sorted(parts)))
    kind = data.draw(st.sampled_from(['spoil', 'spoil', 'leave out', 'double']))
    if kind == 'spoil':
        parts[key] = spoiled(parts[key], data)
    elif kind == 'leave out':
        del parts[key]
    else:
        parts[f'{key}' if isinstance(tree, dict) else len(parts)] = data.draw(JUNK)
    if isinstance(tree, dict):
        return parts
    if hasattr(tree, '_fields') and len(parts) == len(tree._fields):
        return type(tree)(*parts.values())
    return type(tree).__mro__[-2](parts.values())     # a tuple, or a list


def check(there, back, malformed):
    try:
        result = there(malformed)
    except ValueError as error:
        assert str(error) and '\n' not in str(error)
    else:
        assert there(back(result)) == result


@pytest.mark.slow
@FUZZ
@given(data=st.data())
def test_codes(codec, data):
    encode, decode, samples = codec
    check(decode, encode, spoiled(encode(data.draw(st.sampled_from(samples))), data))


@FUZZ
@given(data=st.data())
def test_architectures(codec, data):
    encode, decode, samples = codec
    check(encode, decode, spoiled(data.draw(st.sampled_from(samples)), data))


@pytest.mark.parametrize('junk', [None, 3, .5, '', '\n', b'', [], (), {}, [[]], {'\n': '\n'}])
def test_neither(codec, junk):
    for function in codec[:2]:
        with pytest.raises(ValueError, match=r'\AExpected [^\n]*\Z'):
            function(junk)


def test_whole_ones_go_both_ways(codec):
    encode, decode, samples = codec
    assert [encode(decode(encode(one))) for one in samples] == list(map(encode, samples))
