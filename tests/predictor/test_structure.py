"""Tests of `nni_rankreg.predictor.structure`, against all paths of networkx."""

from __future__ import annotations

import itertools

import networkx as nx
import pytest
import torch
from helpers.spaces import ANY
from nni.nas.hub.pytorch import DARTS, ENAS

from nni_rankreg.predictor import (
    Graphs,
    NasBench201Encoder,
    NodeFeatures,
    default_encoder,
    structure_features,
    structure_names,
)
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.space import NasBench101, NasBench201, NASNet, ProxylessNAS, ResNet48
from nni_rankreg.space.nasbench201 import EDGES

CELLS = {
    'NasBench201': lambda: NasBench201(4, 1, 10),
    'NasBench101': lambda: NasBench101(4, 1, 1),
    'DARTS': lambda: DARTS(4, 3, 'cifar'),
    'ENAS, loose ends': lambda: ENAS(4, 3, 'cifar'),
}
SEQUENCES = {
    'ProxylessNAS': lambda: ProxylessNAS(10, (8,) * 9, (2, 1, 2, 1, 1, 1)),
    'ResNet48': lambda: ResNet48(10, (16, 16, 24, 24), ((1, 2), (1, 2), (1, 3), (1, 1))),
    'any': lambda: ANY,
}
SPACES = CELLS | SEQUENCES
EVERY = pytest.mark.parametrize('name', SPACES)


def encoded(name, count=25):
    space = SPACES[name]()
    encoder = default_encoder(space)
    return encoder(UniformSampler(space, seed=0).distinct(count)), encoder.node_features


def renumbered(graphs, seed=0):
    """Return the same graphs, each with its nodes in another order."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.rand(graphs.mask.shape, generator=generator).argsort(dim=-1)
    edges = graphs.edges.take_along_dim(order[..., None], 2).take_along_dim(order[..., None, :], 3)
    return Graphs(graphs.features.take_along_dim(order[..., None], 2), edges,
                  graphs.mask.take_along_dim(order, 2), graphs.extras)


def naive_cell(features, edges, names, operations):
    """Return the features of one cell by name, from all of its paths one by one."""
    graph = nx.DiGraph(edges.nonzero().tolist())
    sources = [node for node in graph if graph.in_degree(node) == 0]
    sinks = [node for node in graph if graph.out_degree(node) == 0]
    paths = [path for source in sources for sink in sinks
             for path in nx.all_simple_paths(graph, source, sink)]
    operation = {node: next((names[one] for one in operations if features[node, one]), None)
                 for node in range(len(features))}
    found = {f'number of {one}': float(features[:, column].sum())
             for column, one in enumerate(names)}
    found['number of edges'] = graph.number_of_edges()
    every = [names[column] for column in operations]
    for size in range(len(every) + 1):
        for subset in itertools.combinations(every, size):
            text, chosen = ', '.join(subset), {None, *subset}
            lengths = [sum(operation[node] is not None for node in path) for path in paths
                       if all(operation[node] in chosen for node in path)]
            found[f'shortest path of {text}' if subset else 'shortest path without operations'] = (
                min(lengths, default=len(features) + 1))
            found[f'most of {text} on a path'] = max(
                (sum(operation[node] in subset for node in path) for path in paths), default=0)
            found[f'inputs to {text}'] = sum(
                operation[end] in subset for start, end in graph.edges if start in sources)
            found[f'outputs of {text}'] = sum(
                operation[start] in subset for start, end in graph.edges if end in sinks)
    return found


@pytest.mark.parametrize('name', CELLS)
def test_cells_against_all_paths(name):
    graphs, node_features = encoded(name)
    cells = graphs.features.shape[1]
    names, features = structure_names(graphs, node_features), structure_features(
        graphs, node_features)
    for row in range(graphs.size):
        expected = {}
        for cell in range(cells):
            found = naive_cell(graphs.features[row, cell], graphs.edges[row, cell], *node_features)
            expected |= {f'graph {cell}: {one}' if cells > 1 else one: value
                         for one, value in found.items()}
        assert dict(zip(names, features[row].tolist())) == {one: expected[one] for one in names}


def test_random_graphs_against_all_paths():
    """Also those that no encoder makes: loose nodes, several inputs and outputs, any order."""
    generator = torch.Generator().manual_seed(0)
    edges = (torch.rand(60, 1, 7, 7, generator=generator) < .3).float().triu(1)
    tags = torch.randint(4, (60, 1, 7), generator=generator)         # the last is no operation
    graphs = renumbered(Graphs(torch.eye(4)[tags], edges, torch.ones(60, 1, 7, dtype=torch.bool),
                               torch.zeros(60, 0)))
    node_features = NodeFeatures(('a', 'b', 'c', 'none'), (0, 1, 2))
    names = structure_names(graphs, node_features)
    for features, edges, row in zip(graphs.features[:, 0], graphs.edges[:, 0],
                                    structure_features(graphs, node_features).tolist()):
        expected = naive_cell(features, edges, *node_features)
        assert dict(zip(names, row)) == {name: expected[name] for name in names}


@pytest.mark.parametrize('name', SEQUENCES)
def test_sequences_against_a_loop(name):
    graphs, node_features = encoded(name)
    names = structure_names(graphs, node_features)
    rows = structure_features(renumbered(graphs), node_features)
    assert len(set(node_features.names)) == len(node_features.names)
    for nodes, row in zip(graphs.features[:, 0].tolist(), rows):
        expected = {}
        for column, one in enumerate(node_features.names):
            expected[f'number of {one}'] = sum(node[column] for node in nodes)
            for other in range(column + 1, len(node_features.names)):
                expected[f'number of {one} with {node_features.names[other]}'] = sum(
                    node[column] * node[other] for node in nodes)
            expected |= {f'{one} at {place}': node[column] for place, node in enumerate(nodes)}
        assert dict(zip(names, row.tolist())) == pytest.approx(expected)


@EVERY
def test_shape_and_names(name):
    graphs, node_features = encoded(name)
    features = structure_features(graphs, node_features)
    names = structure_names(graphs, node_features)
    assert features.shape == (25, len(names)) and len(set(names)) == len(names) < 2000
    assert features.dtype == torch.float32 and features.isfinite().all()
    assert len(node_features.names) == graphs.features.shape[3]
    assert structure_features(graphs.rows(slice(0, 0)), node_features).shape == (0, len(names))


@pytest.mark.slow
@EVERY
def test_graphs_of_equal_structure_have_equal_features(name):
    graphs, node_features = encoded(name)
    torch.testing.assert_close(structure_features(renumbered(graphs), node_features),
                               structure_features(graphs, node_features))


@EVERY
def test_features_do_not_depend_on_company(name, monkeypatch):
    graphs, node_features = encoded(name)
    features = structure_features(graphs, node_features)
    monkeypatch.setattr('nni_rankreg.predictor.structure._CHUNK', 7)
    torch.testing.assert_close(structure_features(graphs, node_features), features)
    torch.testing.assert_close(structure_features(graphs.rows(slice(3, 5)), node_features),
                               features[3:5])


def test_symmetric_cells_are_alike():
    """The two inner nodes of NAS-Bench-201 may change places where nothing leads between them."""
    sample = {f'cell/{source}_{target}': 'none' for source, target in EDGES} | {
        'cell/0_1': 'conv_3x3', 'cell/1_3': 'avg_pool_3x3', 'cell/0_2': 'skip_connect',
        'cell/2_3': 'conv_1x1'}
    mirrored = {**sample, 'cell/0_1': 'skip_connect', 'cell/1_3': 'conv_1x1',
                'cell/0_2': 'conv_3x3', 'cell/2_3': 'avg_pool_3x3'}
    encoder = NasBench201Encoder()
    first, second = structure_features(encoder([sample, mirrored]), encoder.node_features)
    assert torch.equal(first, second)


def test_a_cell_without_path():
    encoder = NasBench201Encoder()
    graphs = encoder([{f'cell/{source}_{target}': 'none' for source, target in EDGES}])
    features = dict(zip(structure_names(graphs, encoder.node_features),
                        structure_features(graphs, encoder.node_features)[0].tolist()))
    assert features['shortest path of conv_1x1, conv_3x3'] == 9        # of 8 nodes
    assert features['most of conv_1x1, conv_3x3 on a path'] == 0
    assert features['number of input'] == 1 and features['number of edges'] == 0


def test_subsets_of_many_operations_are_few():
    space = NASNet(4, 3)                                                # 13 operations
    encoder = default_encoder(space)
    names = structure_names(encoder(UniformSampler(space, seed=0).distinct(1)),
                            encoder.node_features)
    shortest = [name for name in names if name.startswith('graph 0: shortest path of')]
    assert len(shortest) == 13 + 13 * 12 // 2
