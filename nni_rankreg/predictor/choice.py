"""The encoder of any space of choices."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain
from typing import Any

import torch
from nni.mutable import (
    Categorical,
    CategoricalMultiple,
    LabeledMutable,
    Mutable,
    MutableSymbol,
    Numerical,
)
from torch import Tensor

from ..typing import Sample, Space
from .graph import Graphs, NodeFeatures

__all__ = ['ChoiceEncoder', 'Column']


class Column:
    """The features of one label: its choice, one-hot or several-hot, and its value if a number.

    Parameters
    ----------
    leaf
        The mutable of the label.

    Raises
    ------
    ValueError
        If the mutable is of an unknown kind.

    Examples
    --------
    >>> Column(CategoricalMultiple([2, 3, 5], label='x')).encode([{'x': [2, 5]}])
    tensor([[1., 0., 1.]])
    """

    def __init__(self, leaf: LabeledMutable):
        self.label, self._leaf = leaf.label, leaf
        if isinstance(leaf, Numerical):
            self.kind, self.size, self.names = f'number {leaf.label}', 1, [f'value of {leaf.label}']
            return
        if not isinstance(leaf, (Categorical, CategoricalMultiple)):
            raise ValueError('Expected a label to be Categorical, CategoricalMultiple or '
                             f'Numerical, got {type(leaf).__name__} for {leaf.label!r}.')
        self.kind = f'{type(leaf).__name__} {leaf.values!r}'
        # As text, lists and tuples are alike, as they are in a file of results.
        texts = {_text(value): row for row, value in enumerate(leaf.values)}
        self._texts, self._rows = texts, torch.eye(len(texts))
        if isinstance(leaf, Categorical) and all(map(_is_number, leaf.values)):
            values = torch.tensor(leaf.values, dtype=torch.float32)[:, None]
            span = (values.max() - values.min()).clamp(min=1e-12)
            self._rows = torch.cat([self._rows, (values - values.min()) / span], dim=1)
        self.size = self._rows.shape[1]
        several = isinstance(leaf, CategoricalMultiple)
        self.names = [f'{value} {"among" if several else "of"} {leaf.values}'
                      for value in [*leaf.values, 'value'][:self.size]]
        self._quick = {value: self._texts[_text(value)] for value in leaf.values
                       if isinstance(value, (str, int, float))}

    def encode(self, samples: Sequence[Sample]) -> Tensor:
        """Return the features of N samples, shape (N, size), from 0 to 1."""
        try:
            if isinstance(self._leaf, Numerical):
                values = [float(sample[self.label]) for sample in samples]
                return torch.tensor(self._leaf.distribution.cdf(values)).float().reshape(-1, 1)
            if isinstance(self._leaf, CategoricalMultiple):
                features = torch.zeros(len(samples), self.size)
                for row, sample in enumerate(samples):
                    features[row, [self._row(choice) for choice in sample[self.label]]] = 1
                return features
            return self._rows[[self._row(sample[self.label]) for sample in samples]]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f'Expected architectures with a choice of {self._leaf} as '
                             f'{self.label!r}, got none for {error}.') from None

    def _row(self, choice: Any) -> int:
        try:
            return self._quick[choice]
        except (KeyError, TypeError):
            return self._texts[_text(choice)]


def _text(choice: Any) -> str:
    return json.dumps(choice, sort_keys=True, default=repr)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


class ChoiceEncoder:
    """Any NNI space: a node for each label, in the order of the space, an edge to all later ones.

    A node has its choice, one-hot among the choices of all labels that choose from the same list,
    its value if it is a number, scaled to 0..1, and its label, one-hot.

    Parameters
    ----------
    space
        An NNI space, or the dict that its ``simplify()`` returns.

    Raises
    ------
    ValueError
        If `space` is no space or has no label.

    Examples
    --------
    >>> space = {'width': Categorical([8, 16, 24], label='width')}
    >>> ChoiceEncoder(space)([{'width': 16}]).features   # three choices, the value, the label
    tensor([[[[0.0000, 1.0000, 0.0000, 0.5000, 1.0000]]]])
    """

    def __init__(self, space: Space):
        leaves = space.simplify() if isinstance(space, Mutable) else space
        self._columns = [Column(leaf) for leaf in leaves.values()
                         if isinstance(leaf, MutableSymbol)]
        if not self._columns:
            raise ValueError(f'Expected a space with at least one label, got {list(leaves)}.')
        offsets: dict[str, int] = {}
        self.size = 0
        for column in self._columns:
            if column.kind not in offsets:
                offsets[column.kind] = self.size
                self.size += column.size
        self._offsets = [offsets[column.kind] for column in self._columns]
        kinds = {column.kind: column.names for column in self._columns}
        self.node_features = NodeFeatures((*chain.from_iterable(kinds.values()),
                                           *(column.label for column in self._columns)))

    def __call__(self, samples: Sequence[Sample]) -> Graphs:
        """Return a graph of as many nodes as labels for each architecture."""
        count, labels = len(samples), len(self._columns)
        features = torch.zeros(count, labels, self.size + labels)
        for node, (column, start) in enumerate(zip(self._columns, self._offsets)):
            features[:, node, start:start + column.size] = column.encode(samples)
            features[:, node, self.size + node] = 1
        edges = torch.ones(labels, labels).triu(1).expand(count, 1, -1, -1)
        mask = torch.ones(count, 1, labels, dtype=torch.bool)
        return Graphs(features[:, None], edges, mask, torch.zeros(count, 0))
