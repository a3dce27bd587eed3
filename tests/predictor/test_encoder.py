"""The graphs of the encoders, by hand."""

from __future__ import annotations

import networkx as nx
import pytest
import torch
from helpers.spaces import ANY
from nni.mutable import Categorical
from nni.nas.hub.pytorch import DARTS, ENAS, ProxylessNAS

from nni_rankreg.predictor import (
    Block,
    ChainEncoder,
    ChoiceEncoder,
    NasBench101Encoder,
    NasBench201Encoder,
    NDSEncoder,
    default_encoder,
)
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.space.nasbench201 import CHOICES, EDGES


def to_networkx(graphs, row, cell=0):
    graph = nx.DiGraph()
    nodes = graphs.mask[row, cell].nonzero().flatten().tolist()
    for node in nodes:
        graph.add_node(node, tag=tuple(graphs.features[row, cell, node].tolist()))
    graph.add_edges_from(edge for edge in graphs.edges[row, cell].nonzero().tolist())
    return graph


def isomorphic(graphs, first, second):
    return nx.is_isomorphic(to_networkx(graphs, first), to_networkx(graphs, second),
                            node_match=lambda a, b: a['tag'] == b['tag'])


def nasbench201(*operations):
    return {f'cell/{i}_{j}': name for (i, j), name in zip(EDGES, operations)}


def test_nasbench201_graph():
    conv, pool, none, skip = 'conv_3x3', 'avg_pool_3x3', 'none', 'skip_connect'
    graphs = NasBench201Encoder()([nasbench201(conv, none, pool, none, skip, conv)])
    # Edges 0-1 conv, 1-2 pool, 1-3 skip, 2-3 conv; nodes: 0 input, 1..6 operations, 7 output.
    graph = to_networkx(graphs, 0)
    assert set(graph.edges) == {(0, 1), (1, 3), (1, 5), (3, 6), (5, 7), (6, 7)}
    tags = {node: graph.nodes[node]['tag'].index(1.) for node in graph}
    names = ['none', *[name for name in CHOICES if name != 'none'], 'input', 'output']
    assert {node: names[tag] for node, tag in tags.items()} == {
        0: 'input', 1: conv, 3: pool, 5: skip, 6: conv, 7: 'output'}


def test_nasbench201_leaves_out_what_is_on_no_path():
    conv, none = 'conv_3x3', 'none'
    graphs = NasBench201Encoder()([
        nasbench201(none, none, conv, conv, conv, conv),       # nothing reaches node 1
        nasbench201(none, none, none, conv, none, none),
        nasbench201(conv, none, none, none, none, none),       # nothing reaches the output
        nasbench201(none, none, none, none, none, none)])
    assert isomorphic(graphs, 0, 1) and isomorphic(graphs, 2, 3) and not isomorphic(graphs, 1, 2)
    assert graphs.mask[2, 0].tolist() == [True, *[False] * 6, True]


def test_nasbench201_equal_functions_are_isomorphic():
    graphs = NasBench201Encoder()([
        nasbench201('conv_3x3', 'conv_1x1', 'none', 'none', 'skip_connect', 'avg_pool_3x3'),
        nasbench201('conv_1x1', 'conv_3x3', 'none', 'none', 'avg_pool_3x3', 'skip_connect'),
        nasbench201('conv_1x1', 'conv_3x3', 'none', 'none', 'skip_connect', 'avg_pool_3x3')])
    assert isomorphic(graphs, 0, 1) and not isomorphic(graphs, 0, 2)


def nasbench101(edges, operations):
    places = {f'cell/edge_{i}_{j}': int((i, j) in edges) for j in range(1, 7) for i in range(j)}
    return {**places, **{f'cell/op_{v}': name for v, name in enumerate(operations, 1)}}


def test_nasbench101_labels_of_both_kinds():
    conv, one, pool = 'conv3x3-bn-relu', 'conv1x1-bn-relu', 'maxpool3x3'
    by_inputs = {'cell/num_nodes': 5, 'cell/op1': conv, 'cell/op2': one, 'cell/op3': pool,
                 'cell/input1': [0], 'cell/input2': [0, 1], 'cell/input3': [0],
                 'cell/input4': [2]}                            # vertex 3 leads nowhere
    by_edges = nasbench101({(0, 1), (0, 2), (1, 2), (2, 6)}, [conv, one, pool, pool, conv])
    graphs = NasBench101Encoder()([by_inputs, by_edges])
    assert isomorphic(graphs, 0, 1)
    graph = to_networkx(graphs, 0)
    assert len(graph) == 4 and set(graph.edges) == {(0, 1), (0, 2), (1, 2), (2, 6)}


def darts(inputs, operations, prefix='normal'):
    places = [(node, slot) for node in range(2, 6) for slot in range(2)]
    return {**{f'{prefix}/op_{i}_{j}': name for (i, j), name in zip(places, operations)},
            **{f'{prefix}/input_{i}_{j}': [k] for (i, j), k in zip(places, inputs)}}


def test_darts_graph():
    operations = ['sep_conv_3x3', 'skip_connect'] * 4
    normal, reduce = [0, 1, 0, 2, 1, 3, 0, 4], [0, 1] * 4
    sample = {**darts(normal, operations), **darts(reduce, operations, 'reduce'),
              'width': 8, 'depth': 3}
    graphs = NDSEncoder(DARTS((4, 8), (3, 6), 'cifar'))([sample])
    graph = to_networkx(graphs, 0)
    assert len(graph) == 2 + 4 * 3 + 1 and graphs.features.shape[1] == 2
    sums = [2, 3, 4, 5]
    for place, source in enumerate(normal):
        assert set(graph.predecessors(7 + place)) == {source}
        assert set(graph.successors(7 + place)) == {sums[place // 2]}
    assert set(graph.predecessors(6)) == set(sums)             # all sums, the output
    width = torch.tensor([0., 1., 1.])                         # one-hot and scaled: 8 of (4, 8)
    assert torch.equal(graphs.extras[0], torch.cat([width, torch.tensor([1., 0., 0.])]))


def test_loose_ends():
    space = ENAS(4, 3, 'cifar')
    sample = UniformSampler(space, seed=0).sample()
    used = {sample[f'normal/input_{i}_{j}'][0] for i in range(2, 7) for j in range(2)}
    graph = to_networkx(NDSEncoder(space)([sample]), 0)
    assert set(graph.predecessors(7)) == set(range(2, 7)) - used
    assert used & set(range(2, 7))


def test_chain_follows_depth_and_skips():
    blocks = [Block({'a0': ['k3', 'k5', 'skip']}, 1), Block({'a1': ['k3', 'k5', 'skip']}, 1),
              Block({'b0': ['k3', 'k7']}, 2, 'depth', 0),
              Block({'b1': ['k3', 'k7']}, 2, 'depth', 1)]
    encoder = ChainEncoder(blocks, skip=['skip'])
    graphs = encoder([{'a0': 'skip', 'a1': 'k5', 'b0': 'k7', 'b1': 'k3', 'depth': 2},
                      {'a0': 'k5', 'a1': 'skip', 'b0': 'k7', 'b1': 'k3', 'depth': 1}])
    expected = [[0, 1, 0, 1, 0], [0, 0, 1, 0, 1], [1, 0, 0, 0, 1], [0] * 5]  # k3 k5 k7, stages
    assert graphs.features[0, 0].tolist() == expected
    assert graphs.edges[0, 0].nonzero().tolist() == [[0, 1], [1, 2]]
    assert graphs.features[1, 0].tolist() == [*expected[:2], [0] * 5, [0] * 5]


def test_proxyless_chain():
    space = ProxylessNAS(10, (8,) * 9)
    sample = UniformSampler(space, seed=1).sample()
    graphs = default_encoder(space)([sample])
    blocks = sum(sample[f's{stage}_depth'] for stage in range(2, 7)) + 1
    assert graphs.mask.sum() == blocks and graphs.features.shape[2:] == (21, 6 + 6)


def test_blocks_must_be_alike():
    with pytest.raises(ValueError, match='blocks with the same number of labels'):
        ChainEncoder([Block({'a': [1]}), Block({'b': [1], 'c': [2]})])
    with pytest.raises(ValueError, match="got .*'op', .*; ChoiceEncoder takes any space"):
        ChainEncoder.from_space(ANY)


def test_chain_of_any_space_that_names_its_blocks_so():
    """Blocks that may be skipped, stages of some depth, widths: ResNet-48 is such a space."""
    leaves = [Categorical(['k3', 'k5'], label='s1_i0'), Categorical(['k3', 'skip'], label='s1_i1'),
              Categorical([1, 2], label='s2_depth'), Categorical(['k3', 'k5'], label='s2_i0'),
              Categorical(['k3', 'k5'], label='s2_i1'), Categorical([8, 16], label='s2_width')]
    encoder = default_encoder({leaf.label: leaf for leaf in leaves})
    assert isinstance(encoder, ChainEncoder)
    sample = {'s1_i0': 'k5', 's1_i1': 'skip', 's2_depth': 1, 's2_i0': 'k3', 's2_i1': 'k5',
              's2_width': 16}
    graphs = encoder([sample, {**sample, 's2_depth': 2, 's2_width': 8}])
    assert graphs.features[0, 0, :2].tolist() == [[0, 1, 1, 0], [1, 0, 0, 1]]
    assert graphs.mask[:, 0].sum(dim=1).tolist() == [2, 3]
    assert graphs.extras.tolist() == [[0, 1, 1], [1, 0, 0]]


def test_choices_of_any_kind():
    sample = {'op': None, 'same': 'conv', 'width': 16, 'kernel': (3, 1), 'inputs': [0, 2],
              'rate': 1.5}
    graphs = ChoiceEncoder(ANY)([sample, {**sample, 'kernel': [3, 1]}])    # as read from JSON
    assert torch.equal(graphs.features[0], graphs.features[1])
    rows = graphs.features[0, 0]
    assert rows[0, :3].tolist() == [0, 0, 1] and rows[1, :3].tolist() == [1, 0, 0]
    assert rows[2, 3:7].tolist() == [0, 1, 0, pytest.approx(1 / 3)]
    assert rows[3, 7:9].tolist() == [0, 1] and rows[4, 9:12].tolist() == [1, 0, 1]
    assert rows[5, 12].item() == pytest.approx(.75)
    assert torch.equal(rows[:, 13:], torch.eye(6))


@pytest.mark.parametrize('change', [{'op': 'dense'}, {'width': 9}, {'inputs': [7]}, {'inputs': 3},
                                    {'rate': 'x'}, {'kernel': {'a': 1}}])
def test_unknown_choices(change):
    sample = {'op': None, 'same': 'conv', 'width': 16, 'kernel': (3, 1), 'inputs': [], 'rate': 1}
    encoder = ChoiceEncoder(ANY)
    assert encoder([sample]).size == 1
    with pytest.raises(ValueError, match='Expected architectures with a choice of'):
        encoder([{**sample, **change}])


def test_no_labels():
    with pytest.raises(ValueError, match='at least one label'):
        ChoiceEncoder({})
