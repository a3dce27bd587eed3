"""The two ways to label a NAS-Bench-101 cell: ours, edge by edge, and NNI's, vertex by vertex."""

from __future__ import annotations

from ...typing import Sample
from .code import LABELS, OPERATIONS
from .graph import VERTICES, edges

__all__ = ['by_edges']


def by_edges(sample: Sample) -> Sample:
    """Return an architecture with a label for each of the 21 possible edges.

    Parameters
    ----------
    sample
        As NNI's `NasBench101` labels it, ``cell/num_nodes``, ``cell/op1``, ``cell/input1`` ...; its
        last vertex becomes the vertex 6. One that is labelled edge by edge is returned as it is.

    Raises
    ------
    ValueError
        If NNI's labels are not complete.

    Examples
    --------
    >>> sample = by_edges({'cell/num_nodes': 2, 'cell/input1': [0]})
    >>> [label for label, choice in sample.items() if choice == 1]
    ['cell/edge_0_6']
    """
    if 'cell/num_nodes' not in sample:
        return sample
    try:
        places = [*range(sample['cell/num_nodes'] - 1), VERTICES - 1]
        chosen = {(source, place) for vertex, place in enumerate(places[1:], 1)
                  for source in sample[f'cell/input{vertex}']}
        operations = {f'cell/op_{vertex}': sample[f'cell/op{vertex}'] for vertex in places[1:-1]}
    except (KeyError, TypeError) as error:
        raise ValueError('Expected the labels cell/num_nodes, cell/op1 ... and cell/input1 ... of '
                         f'NAS-Bench-101, got {sample}.') from error
    present = {f'cell/edge_{source}_{target}': int((source, target) in chosen)
               for source, target in edges(VERTICES)}
    return {label: present.get(label, operations.get(label, OPERATIONS[0])) for label in LABELS}
