"""Tests of `nni_rankreg.predictor.network`."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.nn import GCNConv, SortAggregation

from nni_rankreg.predictor import DGCNN, Graphs
from nni_rankreg.predictor.network import head, sort_pool


def random_graphs(count=6, graphs=2, nodes=12, features=5, extras=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.randint(2, nodes + 1, (count, graphs), generator=generator)
    mask = torch.arange(nodes) < sizes[..., None]
    edges = (torch.rand(count, graphs, nodes, nodes, generator=generator) < .4).float().triu(1)
    return Graphs(
        torch.randn(count, graphs, nodes, features, generator=generator) * mask[..., None],
        edges * mask[..., None] * mask[..., None, :], mask,
        torch.rand(count, extras, generator=generator))


def permuted(graphs, order):
    return Graphs(graphs.features[:, :, order], graphs.edges[:, :, order][..., order],
                  graphs.mask[:, :, order], graphs.extras)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return DGCNN(5, graphs=2, extras=3, hidden=16, pool=12, embedding=7)


def test_shape(network):
    assert network(random_graphs()).shape == (6, 7)
    assert network(random_graphs().rows(slice(0, 0))).shape == (0, 7)


def test_convolutions_equal_sparse_ones(network):
    graphs = random_graphs(graphs=1)
    for features, edges, mask in zip(*(part[:, 0] for part in graphs[:3])):
        count = int(mask.sum())
        dense, sparse = features[None], features[:count]
        for layer in network.convolutions:
            other = GCNConv(layer.in_channels, layer.out_channels)
            other.load_state_dict({'bias': layer.bias, 'lin.weight': layer.lin.weight})
            sparse = other(sparse, edges.nonzero().T).relu()
            dense = layer(dense, edges.T[None], mask[None]).relu()
            torch.testing.assert_close(dense[0, :count], sparse)
            assert (dense[0, count:] == 0).all()


@pytest.mark.parametrize('count', [4, 12, 20])
def test_sort_pool_equals_pytorch_geometric(count):
    graphs = random_graphs(graphs=1)
    nodes, mask = graphs.features[:, 0], graphs.mask[:, 0]
    index = torch.arange(len(mask)).repeat_interleave(mask.sum(1))
    expected = SortAggregation(count)(nodes[mask], index).view(len(mask), count, -1)
    assert torch.equal(sort_pool(nodes, nodes[:, :, -1], mask, count), expected)


def test_order_of_nodes_is_irrelevant(network):
    graphs = random_graphs()
    order = torch.randperm(12, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(network(permuted(graphs, order)), network(graphs))


def test_architectures_do_not_mix(network):
    graphs = random_graphs()
    rows = torch.tensor([4, 1])
    torch.testing.assert_close(network(graphs.rows(rows)), network(graphs)[rows])


@pytest.mark.parametrize('part', range(4))
def test_everything_matters(network, part):
    graphs, other = random_graphs(), random_graphs(seed=1)
    if part == 2:
        mask = graphs.mask.clone()
        mask[:, :, 1] = False
        changed = graphs._replace(mask=mask)
    else:
        changed = Graphs(*(other[i] if i == part else graphs[i] for i in range(4)))
    assert not torch.allclose(network(changed), network(graphs), atol=1e-4)


def test_messages_follow_the_edges():
    torch.manual_seed(0)
    layer = DGCNN(2, hidden=4).convolutions[0]
    adjacency = torch.tensor([[[0., 1.], [0., 0.]]]).transpose(1, 2)      # from node 0 to node 1
    base = torch.tensor([[[1., 0.], [0., 1.]]])
    first, second = base.clone(), base.clone()
    first[0, 0], second[0, 1] = torch.tensor([5., 5.]), torch.tensor([5., 5.])
    mask = torch.ones(1, 2, dtype=torch.bool)
    out, with_first, with_second = (layer(x, adjacency, mask) for x in (base, first, second))
    assert not torch.allclose(with_first[0, 1], out[0, 1])
    assert torch.equal(with_second[0, 0], out[0, 0])


def test_head():
    module = head(7, 9, dropout=.5).eval()
    assert module(torch.ones(4, 7)).shape == (4,)
    assert sum(isinstance(layer, torch.nn.Dropout) for layer in module) == 1


@pytest.mark.parametrize('options, message', [
    ({'pool': 9}, 'pool of at least 10 nodes, got 64, 4 and 9'),
    ({'hidden': 7}, 'an even number of hidden channels'),
    ({'layers': 0}, 'at least 1 layer'),
])
def test_bad_sizes(options, message):
    with pytest.raises(ValueError, match=message):
        DGCNN(3, **options)
