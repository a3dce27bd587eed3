"""Labels of NAS-Bench-101 and the literature's code of a cell: matrix and operations."""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from ...typing import Sample
from ..codec import codec
from .graph import MAX_EDGES, VERTICES, Matrix, edges, prune

__all__ = ['ModelSpec', 'LABELS', 'OPERATIONS', 'encode_nasbench101', 'decode_nasbench101',
           'hash_nasbench101', 'spec_of', 'sample_of']

OPERATIONS = ('conv3x3-bn-relu', 'conv1x1-bn-relu', 'maxpool3x3')
"""Operations of the vertices, in the order in which the benchmark numbers them."""

_EDGE_LABELS = {(source, target): f'cell/edge_{source}_{target}'
                for source, target in edges(VERTICES)}
_OPERATION_LABELS = {vertex: f'cell/op_{vertex}' for vertex in range(1, VERTICES - 1)}

LABELS = [label for target in range(1, VERTICES)
          for label in [*(_EDGE_LABELS[source, target] for source in range(target)),
                        *([_OPERATION_LABELS[target]] if target < VERTICES - 1 else [])]]
"""Those of the edges into a vertex, then that of its operation, vertex by vertex."""


class ModelSpec(NamedTuple):
    """The literature's code of a cell, without vertices that lie on no path.

    Parameters
    ----------
    matrix
        Upper triangular adjacency matrix of 2 to 7 vertices, source by target.
    ops
        Operation of each vertex: ``input``, then names such as ``conv3x3-bn-relu``, ``output``.
    """

    matrix: Matrix
    ops: tuple[str, ...]


@codec
def encode_nasbench101(sample: Sample) -> ModelSpec:
    """Return the pruned matrix and operations of an architecture.

    Parameters
    ----------
    sample
        Whether there is an edge, 0 or 1, as ``cell/edge_{source}_{target}``, 21 labels, and the
        operations of the vertices 1 to 5 as ``cell/op_{vertex}``.

    Raises
    ------
    ValueError
        If the labels or choices are not those of the space, no path leads from the input to the
        output, or more than nine edges lie on paths.

    Examples
    --------
    >>> sample = decode_nasbench101(([[0, 1, 1], [0, 0, 1], [0, 0, 0]],
    ...                              ['input', 'maxpool3x3', 'output']))
    >>> encode_nasbench101(sample).ops
    ('input', 'maxpool3x3', 'output')
    """
    if sample.keys() != set(LABELS):
        raise ValueError(f'Expected the labels {LABELS}, got {sorted(sample)}.')
    return spec_of(sample)


def spec_of(sample: Sample) -> ModelSpec:
    """Return the code of a sample that may have labels of its own besides those of the cell."""
    try:
        return _spec(tuple(sample[label] for label in LABELS))
    except TypeError:  # a choice that cannot be hashed
        raise ValueError(f'Expected 0 or 1 for each edge and one of {list(OPERATIONS)} for each '
                         f'vertex, got {sample}.') from None


@lru_cache(maxsize=4096)
def _spec(choices: tuple[Any, ...]) -> ModelSpec:
    sample = dict(zip(LABELS, choices))
    chosen = {edge for edge, label in _EDGE_LABELS.items() if sample[label]}
    matrix = [[int((source, target) in chosen) for target in range(VERTICES)]
              for source in range(VERTICES)]
    ops = ['input', *(sample[label] for label in _OPERATION_LABELS.values()), 'output']
    if not all(sample[label] in (0, 1) for label in _EDGE_LABELS.values()):
        raise ValueError(f'Expected 0 or 1 for each edge of the cell, got {sample}.')
    return _checked(matrix, ops)


def _checked(matrix: Sequence[Sequence[int]], ops: Sequence[str]) -> ModelSpec:
    """Return the pruned code, or raise ValueError."""
    unknown = set(ops[1:-1]) - set(OPERATIONS)
    if unknown or (ops[0], ops[-1]) != ('input', 'output'):
        raise ValueError("Expected operations from 'input' to 'output', those between among "
                         f'{list(OPERATIONS)}, got {list(ops)}.')
    kept = prune(matrix)
    pruned = tuple(tuple(int(matrix[source][target]) for target in kept) for source in kept)
    count = sum(map(sum, pruned))
    if count > MAX_EDGES:
        raise ValueError(f'Expected at most {MAX_EDGES} edges on paths from the input to the '
                         f'output, got {count}.')
    return ModelSpec(pruned, tuple(ops[vertex] for vertex in kept))


@codec
def decode_nasbench101(spec: tuple[Sequence[Sequence[int]], Sequence[str]]) -> Sample:
    """Return the architecture of a cell, given by its matrix and operations, pruned or not.

    Of the architectures that describe the cell it is the one whose vertices stand first, whose
    unused vertices have no edge and the first operation.

    Parameters
    ----------
    spec
        Upper triangular adjacency matrix and operations, as of `ModelSpec`.

    Raises
    ------
    ValueError
        If this is no cell of the space.

    Examples
    --------
    >>> decode_nasbench101(([[0, 1], [0, 0]], ['input', 'output']))['cell/edge_0_6']
    1
    """
    matrix, ops = spec
    rows = [list(map(operator.index, row)) for row in matrix]
    count = len(rows)
    if (not 2 <= count <= VERTICES or len(ops) != count or any(len(row) != count for row in rows)
            or any(value not in ((0, 1) if target > source else (0,))
                   for source, row in enumerate(rows) for target, value in enumerate(row))):
        raise ValueError(f'Expected an upper triangular matrix of 0 and 1 with 2 to {VERTICES} '
                         f'vertices and an operation for each, got {rows} and {list(ops)}.')
    return sample_of(_checked(rows, ops))


def sample_of(spec: ModelSpec) -> Sample:
    """Return the architecture of a pruned code."""
    last = len(spec.matrix) - 1
    places = [*range(last), VERTICES - 1]
    choices: Sample = dict.fromkeys(_EDGE_LABELS.values(), 0)
    for source, target in edges(last + 1):
        choices[_EDGE_LABELS[places[source], places[target]]] = spec.matrix[source][target]
    for vertex, label in _OPERATION_LABELS.items():
        choices[label] = spec.ops[vertex] if vertex < last else OPERATIONS[0]
    return {label: choices[label] for label in LABELS}


def hash_nasbench101(sample: Sample) -> str:
    """Return the benchmark's hash of the cell, the same for all architectures of one cell.

    Each vertex starts with its numbers of edges and its operation and takes in what its
    neighbours have, as often as there are vertices. Source: Ying et al., ICML 2019, and its code.

    Examples
    --------
    >>> hash_nasbench101(decode_nasbench101(([[0, 1], [0, 0]], ['input', 'output'])))[:8]
    '043721b9'
    """
    matrix, ops = encode_nasbench101(sample)
    vertices = range(len(ops))
    numbers = [-1, *(OPERATIONS.index(name) for name in ops[1:-1]), -2]
    hashes = [_md5(str((sum(matrix[vertex]), sum(row[vertex] for row in matrix), number)))
              for vertex, number in zip(vertices, numbers)]
    for _ in vertices:
        sources = [sorted(hashes[other] for other in vertices if matrix[other][vertex])
                   for vertex in vertices]
        targets = [sorted(hashes[other] for other in vertices if matrix[vertex][other])
                   for vertex in vertices]
        hashes = [_md5(f'{"".join(before)}|{"".join(after)}|{own}')
                  for before, after, own in zip(sources, targets, hashes)]
    return _md5(str(sorted(hashes)))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()
