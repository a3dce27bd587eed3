"""Architectures as directed graphs, in tensors padded to one number of nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from ..typing import Sample

__all__ = ['GraphEncoder', 'Graphs', 'NodeFeatures', 'StructuredEncoder', 'choice_indices',
           'one_hot', 'on_path']


class Graphs(NamedTuple):
    """N architectures, each of G graphs with at most V nodes and F features a node.

    Cells are small: padded, all architectures go through a layer in a single product of matrices.
    """

    features: Tensor
    """Shape (N, G, V, F), float32, 0 in the padding."""
    edges: Tensor
    """Shape (N, G, V, V), float32, 1 at [..., i, j] for an edge from node i to node j."""
    mask: Tensor
    """Shape (N, G, V), bool, True where there is a node."""
    extras: Tensor
    """Shape (N, H), float32: hyper-parameters of the whole network, near 0 to 1."""

    def rows(self, index: Any) -> Graphs:
        """Return the architectures that `index` selects: a slice, or integers of shape (M,)."""
        return Graphs(*(tensor[index] for tensor in self))

    @property
    def size(self) -> int:
        """The number of architectures, N."""
        return len(self.features)


class NodeFeatures(NamedTuple):
    """What the F features of a node mean."""

    names: tuple[str, ...]
    """Of each feature, shape (F,)."""
    operations: tuple[int, ...] = ()
    """Which features are the operations of a cell; none where nodes stand one after the other."""


class GraphEncoder(Protocol):
    """From architectures to graphs, of the same G, V, F and H for every call."""

    def __call__(self, samples: Sequence[Sample]) -> Graphs:
        """Return the graphs of `samples`; raise ValueError for a sample of another space."""
        ...


class StructuredEncoder(GraphEncoder, Protocol):
    """An encoder that says what the features of its nodes mean, as `structure_features` needs."""

    node_features: NodeFeatures


def choice_indices(samples: Sequence[Sample], tables: Mapping[str, Mapping[Any, int]]) -> Tensor:
    """Return the index of the choice of each label, shape (N, number of labels).

    Parameters
    ----------
    samples
        N architectures.
    tables
        Label -> choice -> index.

    Raises
    ------
    ValueError
        If a label is missing or a choice is not in its table.

    Examples
    --------
    >>> choice_indices([{'op': 'conv'}, {'op': 'pool'}], {'op': {'pool': 0, 'conv': 1}})
    tensor([[1],
            [0]])
    """
    items = list(tables.items())
    try:
        found = [[table[sample[label]] for label, table in items] for sample in samples]
    except (KeyError, TypeError):
        bad = next(sample for sample in samples if not _fits(sample, tables))
        expected = {label: list(table) for label, table in items}
        raise ValueError(f'Expected an architecture with the choices {expected}, got {bad}.'
                         ) from None
    return torch.from_numpy(np.array(found, dtype=np.int64).reshape(len(samples), len(items)))


def _fits(sample: Sample, tables: Mapping[str, Mapping[Any, int]]) -> bool:
    try:
        return all(sample[label] in table for label, table in tables.items())
    except (KeyError, TypeError):
        return False


def one_hot(tags: Tensor, count: int, mask: Tensor) -> Tensor:
    """Return the one-hot features of tags 0..count-1, shape (..., count), 0 outside the mask."""
    return torch.eye(count)[tags] * mask[..., None]


def on_path(edges: Tensor, mask: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """Return which nodes lie on a path from a source to a target, both included; as the mask.

    Parameters
    ----------
    edges, mask
        See `Graphs`; any number of leading dimensions.
    source, target
        True at the first and at the last nodes, in the shape of `mask`.

    Examples
    --------
    >>> edges = torch.tensor([[0., 1., 1.], [0., 0., 0.], [0., 0., 0.]])   # node 1 leads nowhere
    >>> first, last = torch.tensor([[True, False, False], [False, False, True]])
    >>> on_path(edges, torch.tensor([True] * 3), first, last)
    tensor([ True, False,  True])
    """
    forward, backward = (source & mask).float(), (target & mask).float()
    for _ in range(mask.shape[-1] - 1):
        forward = ((forward[..., None, :] @ edges).squeeze(-2) + forward).clamp(max=1) * mask
        backward = ((edges @ backward[..., None]).squeeze(-1) + backward).clamp(max=1) * mask
    return ((forward > 0) & (backward > 0)) | ((source | target) & mask)
