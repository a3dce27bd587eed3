"""Graphs of NAS-Bench-101 cells: pruning, channels of the vertices, all valid matrices."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache

import numpy as np
import numpy.typing as npt

__all__ = ['VERTICES', 'MAX_EDGES', 'Matrix', 'edges', 'prune', 'vertex_channels',
           'valid_matrices', 'unpack']

VERTICES, MAX_EDGES = 7, 9
Matrix = tuple[tuple[int, ...], ...]


def edges(vertices: int) -> list[tuple[int, int]]:
    """Return all possible edges (source, target) of a cell, those into one vertex together."""
    return [(source, target) for target in range(1, vertices) for source in range(target)]


def prune(matrix: Sequence[Sequence[int]]) -> list[int]:
    """Return the vertices on paths from the first to the last vertex, in order.

    Parameters
    ----------
    matrix
        Upper triangular adjacency matrix, source by target.

    Raises
    ------
    ValueError
        If no path leads from the first to the last vertex.
    """
    last = len(matrix) - 1
    reached, leading = {0}, {last}
    for target in range(1, last + 1):
        if any(matrix[source][target] for source in reached):
            reached.add(target)
    for source in range(last - 1, -1, -1):
        if any(matrix[source][target] for target in leading):
            leading.add(source)
    if last not in reached:
        raise ValueError('Expected a path from the input to the output of the cell, got the '
                         f'matrix {[list(row) for row in matrix]}.')
    return sorted(reached & leading)


@lru_cache(maxsize=4096)
def vertex_channels(matrix: Matrix, in_channels: int, out_channels: int) -> tuple[int, ...]:
    """Return the channels of each vertex of a pruned cell.

    The channels of the output are divided among the vertices that lead to it, the first of them
    taking one more each while the division leaves a remainder; any other vertex has the most
    channels of those it leads to. Source: Ying et al., "NAS-Bench-101", ICML 2019, and its code.

    Examples
    --------
    >>> vertex_channels(((0, 1, 1, 0), (0, 0, 0, 1), (0, 0, 0, 1), (0, 0, 0, 0)), 8, 17)
    (8, 9, 8, 17)
    """
    last = len(matrix) - 1
    channels = [in_channels, *[0] * (last - 1), out_channels]
    direct = [vertex for vertex in range(1, last) if matrix[vertex][last]]
    for index, vertex in enumerate(direct):
        share, rest = divmod(out_channels, len(direct))
        channels[vertex] = share + (index < rest)
    for vertex in range(last - 1, 0, -1):
        if not matrix[vertex][last]:
            channels[vertex] = max(channels[target] for target in range(vertex + 1, last)
                                   if matrix[vertex][target])
    return tuple(channels)


@cache
def valid_matrices(vertices: int) -> npt.NDArray[np.int64]:
    """Return all matrices of at most nine edges that pruning leaves as they are, as bit masks.

    Bit i stands for edge i of `edges`. As all edges lead forward, every vertex lies on a path
    from the input to the output if each but the input has an edge into it and each but the
    output an edge out of it.

    Examples
    --------
    >>> [len(valid_matrices(vertices)) for vertices in (2, 3, 4)]
    [1, 2, 10]
    """
    counts = np.zeros(1, np.uint8)
    for _ in edges(vertices):
        counts = np.concatenate([counts, counts + 1])
    masks = np.flatnonzero(counts <= MAX_EDGES)
    for vertex in range(vertices):
        into, out = (sum(1 << index for index, edge in enumerate(edges(vertices))
                         if edge[end] == vertex) for end in (1, 0))
        if vertex > 0:
            masks = masks[masks & into != 0]
        if vertex < vertices - 1:
            masks = masks[masks & out != 0]
    return masks


def unpack(mask: int, vertices: int) -> Matrix:
    """Return the matrix of a bit mask of `valid_matrices`."""
    chosen = {edge for index, edge in enumerate(edges(vertices)) if mask >> index & 1}
    return tuple(tuple(int((source, target) in chosen) for target in range(vertices))
                 for source in range(vertices))
