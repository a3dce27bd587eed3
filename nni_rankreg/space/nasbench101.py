"""The cell space of NAS-Bench-101: NNI's model space and the benchmark's matrix of a cell."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np
import numpy.typing as npt

from ..typing import Sample

__all__ = ['OPERATIONS', 'decode_nasbench101', 'encode_nasbench101']

OPERATIONS = ('conv3x3-bn-relu', 'conv1x1-bn-relu', 'maxpool3x3')
"""The operations of a vertex, in the benchmark and in NNI."""

_VERTICES, _EDGES = 7, 9


def decode_nasbench101(matrix: npt.ArrayLike, operations: Sequence[str]) -> Sample:
    """Return the architecture that a cell of NAS-Bench-101 describes.

    Parameters
    ----------
    matrix
        Upper-triangular adjacency, shape (V, V), 2 <= V <= 7, at most 9 edges.
    operations
        Of the V vertices: ``input``, names in `OPERATIONS`, ``output``.

    Returns
    -------
    Choices as NNI's `NasBench101` labels them. Vertices that the cell does not have get the first
    operation and no inputs, so that a cell is spelled in one way.

    Raises
    ------
    ValueError
        If the cell is not one of the space.

    Examples
    --------
    >>> sample = decode_nasbench101([[0, 1, 1], [0, 0, 1], [0, 0, 0]],
    ...                             ['input', 'maxpool3x3', 'output'])
    >>> sample['cell/num_nodes'], sample['cell/op1'], sample['cell/input2']
    (3, 'maxpool3x3', [0, 1])
    """
    edges, count = np.asarray(matrix), len(operations)
    if (edges.shape != (count, count) or not 2 <= count <= _VERTICES
            or not np.isin(edges, (0, 1)).all() or np.tril(edges).any() or edges.sum() > _EDGES):
        raise ValueError(f'Expected an upper-triangular matrix of 0 and 1 for {count} vertices, '
                         f'2 to {_VERTICES}, with at most {_EDGES} edges, got {edges.tolist()}.')
    inner = list(operations[1:-1])
    if [operations[0], operations[-1]] != ['input', 'output'] or not set(inner) <= {*OPERATIONS}:
        raise ValueError(f'Expected the operations input, some of {", ".join(OPERATIONS)}, output, '
                         f'got {list(operations)}.')
    sample: dict[str, Any] = {'cell/num_nodes': count}
    padded = inner + [OPERATIONS[0]] * (_VERTICES - count)
    sample.update({f'cell/op{vertex}': name for vertex, name in enumerate(padded, 1)})
    for vertex in range(1, _VERTICES):
        sources = np.flatnonzero(edges[:, vertex]).tolist() if vertex < count else []
        sample[f'cell/input{vertex}'] = sources
    return sample


def encode_nasbench101(sample: Sample) -> tuple[np.ndarray, list[str]]:
    """Return the matrix and the operations of an architecture; see `decode_nasbench101`.

    Raises
    ------
    ValueError
        If the labels or the choices are not those of the space.

    Examples
    --------
    >>> cell = [[0, 1, 1], [0, 0, 1], [0, 0, 0]], ['input', 'maxpool3x3', 'output']
    >>> matrix, operations = encode_nasbench101(decode_nasbench101(*cell))
    >>> matrix.tolist() == cell[0], operations == cell[1]
    (True, True)
    """
    try:
        count = sample['cell/num_nodes']
        matrix = np.zeros((count, count), dtype=np.int8)
        for vertex in range(1, count):
            matrix[sample[f'cell/input{vertex}'], vertex] = 1
        inner = [sample[f'cell/op{vertex}'] for vertex in range(1, count - 1)]
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ValueError('Expected the labels cell/num_nodes, cell/op1 to op5 and cell/input1 to '
                         f'input6 of NAS-Bench-101, got {sample}.') from error
    if not set(inner) <= {*OPERATIONS} or np.tril(matrix).any():
        raise ValueError(f'Expected operations among {", ".join(OPERATIONS)} and inputs from '
                         f'earlier vertices, got {sample}.')
    return matrix, ['input', *inner, 'output']
