"""What the structure of architectures tells a predictor of few results, in numbers."""

from __future__ import annotations

from itertools import chain, combinations
from math import comb

import torch
from torch import Tensor

from .graph import Graphs, NodeFeatures

__all__ = ['structure_features', 'structure_names']

_SUBSETS = 128       # of operations, at most: all of up to seven, up to two of 13
_CHUNK = 1024        # graphs at once: what is computed for them fits into the cache


def structure_features(graphs: Graphs, node_features: NodeFeatures) -> Tensor:
    """Return what the structure of N architectures tells, shape (N, K), float32, all finite.

    Graphs of equal structure have equal features, however their nodes are numbered. The features of
    a cell, a graph with operations, are how often each feature of a node and how many edges there
    are, and for each small subset of the operations

    - the length of the shortest path from an input to an output all of whose operations are in the
      subset, in operations; one more than the number of nodes if there is none,
    - the most operations of the subset on a path from an input to an output,
    - how many operations of the subset read an input, and how many an output reads.

    Inputs are nodes that read no other, outputs those that no other reads. All subsets are taken
    of up to seven operations; of more the small ones, at most 128. This is the kind of features of
    Kadlecová et al., "Surprisingly Strong Performance Prediction with Neural Graph Features", ICML
    2024.

    In a graph without operations, a chain of blocks or a list of choices, the place of a node is
    what matters. It has how often there is each feature of a node, how often two of them in one
    node, such as a kernel size and a stage, and the features of its nodes in their order.

    Parameters
    ----------
    graphs
        N architectures; each graph is free of circles and of nodes without effect.
    node_features
        What the features of a node mean, an attribute of the encoder of `graphs`.

    Examples
    --------
    >>> from nni_rankreg.predictor import NasBench201Encoder
    >>> sample = {'cell/0_1': 'conv_3x3', 'cell/0_2': 'none', 'cell/1_2': 'conv_3x3',
    ...           'cell/0_3': 'none', 'cell/1_3': 'skip_connect', 'cell/2_3': 'conv_1x1'}
    >>> encoder = NasBench201Encoder()
    >>> graphs = encoder([sample])
    >>> names = structure_names(graphs, encoder.node_features)
    >>> features = dict(zip(names, structure_features(graphs, encoder.node_features)[0].tolist()))
    >>> features['number of conv_3x3'], features['most of conv_1x1, conv_3x3 on a path']
    (2.0, 3.0)
    >>> features['shortest path of skip_connect, conv_3x3']
    2.0
    """
    describe = _cell if node_features.operations else _sequence
    tensors = [part.flatten(0, 1) for part in (graphs.features, graphs.edges, graphs.mask)]
    found = torch.cat([describe(features, edges, mask, node_features) for features, edges, mask
                       in zip(*(tensor.split(_CHUNK) for tensor in tensors))])
    return found.reshape(graphs.size, graphs.features.shape[1] * found.shape[1])


def structure_names(graphs: Graphs, node_features: NodeFeatures) -> list[str]:
    """Return the names of the K features of `structure_features`, in their order.

    Of several graphs, such as a normal and a reduction cell, the number of the graph stands first.
    """
    names = [f'number of {name}' for name in node_features.names]
    if node_features.operations:
        operations = [node_features.names[column] for column in node_features.operations]
        subsets = [', '.join(operations[index] for index in subset)
                   for subset in _subsets(len(operations))]
        names += ['number of edges', 'shortest path without operations',
                  *(f'shortest path of {subset}' for subset in subsets),
                  *(f'most of {subset} on a path' for subset in subsets),
                  *(f'inputs to {subset}' for subset in subsets),
                  *(f'outputs of {subset}' for subset in subsets)]
    else:
        names += [f'number of {first} with {second}'
                  for first, second in combinations(node_features.names, 2)]
        names += [f'{name} at {place}' for place in range(graphs.features.shape[2])
                  for name in node_features.names]
    cells = graphs.features.shape[1]
    return names if cells == 1 else [f'graph {cell}: {name}'
                                     for cell in range(cells) for name in names]


def _subsets(count: int) -> list[tuple[int, ...]]:
    """Return the subsets of `count` operations, from small to large, without the empty one."""
    largest = 1
    while largest < count and sum(comb(count, size) for size in range(1, largest + 2)) <= _SUBSETS:
        largest += 1
    return list(chain.from_iterable(combinations(range(count), size)
                                    for size in range(1, largest + 1)))


def _cell(features: Tensor, edges: Tensor, mask: Tensor, node_features: NodeFeatures) -> Tensor:
    """Return the features of M cells; a node without operation may lie on each path."""
    order = _depth_order(edges, mask)
    features, edges = _reorder(features, order), _reorder(_reorder(edges, order).mT, order).mT
    operations = (features[..., list(node_features.operations)] > 0).float()
    subsets = _subsets(len(node_features.operations))
    member = torch.zeros(len(subsets) + 1, len(node_features.operations))    # the first is empty
    for row, subset in enumerate(subsets, 1):
        member[row, list(subset)] = 1
    within = (operations @ member.T).clamp(max=1).mT                   # (M, subsets, V)
    forbidden = (operations @ (1 - member).T).mT > 0
    steps = operations.amax(dim=-1)[:, None]
    shortest = _least(steps.masked_fill(forbidden, torch.inf), edges)
    most = -_least(-within[:, 1:], edges)
    starts, ends = _ends(edges)
    reads = (starts.float()[:, None] @ edges).squeeze(1)               # inputs each node reads
    read = (edges @ ends.float()[..., None]).squeeze(2)
    return torch.cat([
        features.sum(1), edges.sum((1, 2))[:, None],
        shortest.nan_to_num(posinf=mask.shape[1] + 1), most.nan_to_num(neginf=0),
        *((within[:, 1:] @ number[..., None]).squeeze(2) for number in (reads, read))], dim=1)


def _sequence(features: Tensor, edges: Tensor, mask: Tensor, node_features: NodeFeatures) -> Tensor:
    """Return the features of M graphs whose nodes stand one after the other."""
    first, second = torch.triu_indices(len(node_features.names), len(node_features.names), 1)
    both = (features.mT @ features)[:, first, second]
    placed = _reorder(features, _depth_order(edges, mask))
    return torch.cat([features.sum(1), both, placed.flatten(1)], dim=1)


def _depth_order(edges: Tensor, mask: Tensor) -> Tensor:
    """Return the nodes so that each stands after those that it reads, shape (M, V)."""
    depth = torch.zeros(mask.shape)
    for _ in range(mask.shape[1] - 1):
        depth = ((depth[..., None] + 1) * edges).amax(dim=1)
    return (depth + ~mask * mask.shape[1]).argsort(dim=1, stable=True)


def _reorder(nodes: Tensor, order: Tensor) -> Tensor:
    return nodes.take_along_dim(order[..., None], dim=1)


def _ends(edges: Tensor) -> tuple[Tensor, Tensor]:
    """Return which nodes only are read, and which only read, each of shape (M, V)."""
    read, reads = edges.any(dim=2), edges.any(dim=1)
    return read & ~reads, reads & ~read


def _least(weights: Tensor, edges: Tensor) -> Tensor:
    """Return the least sum of weights on a path from an input to an output; inf without one.

    Parameters
    ----------
    weights
        Of the nodes, in several ways, shape (M, ways, V).
    edges
        Each from a node to a later one, shape (M, V, V).
    """
    starts, ends = _ends(edges)
    entry = torch.where(starts, 0., torch.inf)[:, None].expand_as(weights)
    barrier = torch.where(edges > 0, 0., torch.inf)
    least = torch.empty_like(weights)
    for node in range(weights.shape[2]):
        before = least[..., :node] + barrier[:, None, :node, node]
        best = torch.cat([entry[..., node, None], before], dim=2).amin(dim=2)
        least[..., node] = best + weights[..., node]
    return least.masked_fill(~ends[:, None], torch.inf).amin(dim=2)
