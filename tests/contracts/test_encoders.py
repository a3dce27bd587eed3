"""What every encoder of graphs promises. A new one is a line in `ENCODERS`; if not, it is found."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable
from typing import Any, NamedTuple

import networkx as nx
import pytest
import torch
from helpers.members import add_member, is_protocol, members
from helpers.spaces import ANY
from nni.nas.hub.pytorch import DARTS, ENAS, NasBench101, NasBench201, ProxylessNAS

from nni_rankreg import predictor as room
from nni_rankreg.predictor import (
    ChainEncoder,
    ChoiceEncoder,
    Evidence,
    EvidenceEncoder,
    Graphs,
    NasBench101Encoder,
    NasBench201Encoder,
    NDSEncoder,
    default_encoder,
)
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.space import NasBench101 as OwnNasBench101
from nni_rankreg.space import ResNet48


class Entry(NamedTuple):
    """A space, and the encoder for it."""

    encoder: type
    make_space: Callable[[], Any]
    unknown: dict[str, Any]
    """A label with what the space does not have."""
    dead: dict[str, Any] = {}
    """What leaves some labels without use, if the encoder says that they then do not matter."""
    unused: dict[str, Any] = {}
    """Choices of these labels."""
    make: Callable[[Any], Any] = default_encoder
    """From the space to the encoder."""


def length(samples):
    """Return the length of the architectures as text, a score."""
    return torch.tensor([float(len(str(one))) for one in samples])


CONV, POOL = 'conv3x3-bn-relu', 'maxpool3x3'
NOTHING_REACHES_NODE_1 = dict(
    dead={'cell/0_1': 'none'}, unused={'cell/1_2': 'conv_1x1', 'cell/1_3': 'avg_pool_3x3'})
ENCODERS = {
    'NasBench201': Entry(NasBench201Encoder, lambda: NasBench201(4, 1, 10),
                         {'cell/0_1': 'conv_5x5'}, **NOTHING_REACHES_NODE_1),
    'NasBench201, simplified': Entry(
        NasBench201Encoder, lambda: NasBench201(4, 1, 10).simplify(), {'cell/0_1': ['none']},
        **NOTHING_REACHES_NODE_1),
    'NasBench101': Entry(
        NasBench101Encoder, lambda: NasBench101(8, 1, 1), {'cell/op1': 'conv5x5'},
        dead={'cell/num_nodes': 3, 'cell/input1': [0], 'cell/input2': [1]},
        unused={'cell/op2': POOL, 'cell/op5': CONV, 'cell/input5': [0, 3]}),
    'own NasBench101': Entry(
        NasBench101Encoder, lambda: OwnNasBench101(4, 1, 1), {'cell/edge_0_1': 2},
        dead={'cell/edge_0_2': 0, 'cell/edge_1_2': 0},
        unused={'cell/op_2': POOL, 'cell/edge_2_3': 1, 'cell/edge_2_6': 1}),
    'DARTS': Entry(NDSEncoder, lambda: DARTS((4, 8), (3, 6), 'cifar'), {'width': 5}),
    'ENAS': Entry(NDSEncoder, lambda: ENAS(4, 3, 'cifar'), {'normal/input_2_0': [2]}),
    'ProxylessNAS': Entry(
        ChainEncoder, lambda: ProxylessNAS(10, (8,) * 9), {'s2_i0': 'k9e9'},
        dead={'s2_depth': 1}, unused={'s2_i1': 'k7e6', 's2_i3': 'k3e3'}),
    'ResNet48': Entry(ChainEncoder, lambda: ResNet48(10, (8,) * 4), {'s1_width': 0.1},
                      dead={'s3_depth': 2}, unused={'s3_i2': 0.7, 's3_i3': 1.}),
    'any': Entry(ChoiceEncoder, lambda: ANY, {'kernel': {'a': 1}}),
    'any, with evidence': Entry(
        EvidenceEncoder, lambda: ANY, {'kernel': {'a': 1}}, make=lambda space: EvidenceEncoder(
            ChoiceEncoder(space), Evidence(space, scorers=[length], reference=50))),
}
EVERY = pytest.mark.parametrize('name', ENCODERS)


@functools.cache
def encoder_and_samples(name):
    """Return the encoder of a space, and random architectures."""
    space = ENCODERS[name].make_space()
    return ENCODERS[name].make(space), UniformSampler(space, seed=0).distinct(30)


def missing():
    found = members(room, lambda one: inspect.isclass(one) and not is_protocol(one)
                    and '__call__' in vars(one)
                    and inspect.signature(one.__call__).return_annotation == 'Graphs')
    return found.keys() ^ {one.encoder.__name__ for one in ENCODERS.values()}


def test_none_is_missing(monkeypatch):
    class OtherEncoder:
        def __call__(self, samples) -> Graphs:
            raise NotImplementedError

    assert not missing()
    add_member(monkeypatch, room.choice, 'OtherEncoder', OtherEncoder)
    assert missing() == {'OtherEncoder'}


def equal(first, second):
    return all(map(torch.equal, first, second))


@EVERY
def test_shapes_and_padding(name):
    encoder, samples = encoder_and_samples(name)
    assert type(encoder) is ENCODERS[name].encoder
    graphs = encoder(samples)
    count, cells, nodes, _ = graphs.features.shape
    assert isinstance(graphs, Graphs) and graphs.size == count == 30
    assert graphs.mask.shape == (30, cells, nodes) and graphs.mask.dtype == torch.bool
    assert graphs.edges.shape == (30, cells, nodes, nodes) and len(graphs.extras) == 30
    for part in (graphs.features, graphs.edges, graphs.extras):
        assert part.dtype == torch.float32 and part.isfinite().all()
        normal = part is graphs.extras and 'evidence' in name      # normal scores
        assert part.numel() == 0 or normal or 0 <= part.min() <= part.max() <= 1
    assert (graphs.features[~graphs.mask] == 0).all() and graphs.mask.any(dim=2).all()
    assert (graphs.edges * ~graphs.mask[..., None] == 0).all()
    assert (graphs.edges * ~graphs.mask[..., None, :] == 0).all()
    empty = encoder([])
    assert [part.shape[1:] for part in empty] == [part.shape[1:] for part in graphs]


@EVERY
def test_graphs_have_no_circle(name):
    encoder, samples = encoder_and_samples(name)
    for edges in encoder(samples[:5]).edges.flatten(0, 1):
        assert nx.is_directed_acyclic_graph(nx.DiGraph(edges.nonzero().tolist()))


@EVERY
def test_a_graph_does_not_depend_on_order_or_company(name):
    encoder, samples = encoder_and_samples(name)
    graphs, order = encoder(samples), torch.randperm(30, generator=torch.Generator().manual_seed(0))
    assert equal(encoder([samples[index] for index in order]), graphs.rows(order))
    assert equal(encoder(samples[3:5]), graphs.rows(slice(3, 5)))


@EVERY
def test_architectures_are_left_as_they_are(name):
    encoder, samples = encoder_and_samples(name)
    before = json.dumps(samples)
    encoder(samples)
    assert json.dumps(samples) == before


@EVERY
def test_different_architectures_have_different_graphs(name):
    encoder, samples = encoder_and_samples(name)
    flat = torch.cat([part.flatten(1).float() for part in encoder(samples)], dim=1)
    assert len(flat.unique(dim=0)) > 15


@pytest.mark.parametrize('name', [name for name, entry in ENCODERS.items() if entry.dead])
def test_labels_without_use_do_not_matter(name):
    """They do matter where they are of use."""
    (encoder, samples), entry = encoder_and_samples(name), ENCODERS[name]
    dead, unused = entry.dead, entry.unused
    first, second = ([{**sample, **dead, **changes} for sample in samples]
                     for changes in ({}, unused))
    assert first != second and equal(encoder(first), encoder(second))
    assert not equal(encoder(samples), encoder([{**sample, **unused} for sample in samples]))


@EVERY
def test_architectures_of_another_space_are_refused(name):
    encoder, samples = encoder_and_samples(name)
    for bad in ({'nothing': 1}, {**samples[0], **ENCODERS[name].unknown}):
        with pytest.raises(ValueError, match='Expected .*got'):
            encoder([*samples[:2], bad])
