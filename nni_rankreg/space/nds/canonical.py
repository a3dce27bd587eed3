"""Which architectures of the NDS spaces compute the same."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from ...typing import Sample, sample_key
from ..codec import codec
from ..computation import Computation, Value

__all__ = ['canonical_nds']

_CELLS = ('normal', 'reduce')
_INPUTS = 2  # of a cell: the nodes 0 and 1
_POOLS = ('avg_pool', 'max_pool')
_Pair = tuple[str, int]


@codec
def canonical_nds(sample: Sample, nodes: int, merge: str, drop_path: bool = False) -> str:
    """Return the same text for architectures of an NDS space that compute the same.

    The two operations of a node and the nodes that are merged are in no order, nor are nodes that
    do not depend on each other; ``none`` is zero, as are pooling and skipping of zeros; a skip
    connection is the node itself (in a reduction cell that from an input is a layer); what
    reaches no merged node is left out. Each layer has its own weights. Width, depth and whatever
    else the sample has belong to the text as they are.

    Parameters
    ----------
    sample
        An architecture, labelled as `encode_nds` says.
    nodes
        Number of nodes of a cell.
    merge
        ``all`` or ``loose_end``: the nodes that are merged.
    drop_path
        Whether paths are dropped in training; then each pooling is dropped on its own.

    Raises
    ------
    ValueError
        If the labels of the cells are not complete.

    .. note:: What a convolution makes of zeros is not zero, as its batch normalisation adds a bias.

    Examples
    --------
    >>> from nni_rankreg.space import ENAS, Genotype, decode_nds
    >>> def form(*first):
    ...     pairs = [*first, *[('skip_connect', 0), ('max_pool_3x3', 1)] * 4]
    ...     return canonical_nds(decode_nds(Genotype(pairs, range(2, 7), pairs, range(2, 7)), ENAS),
    ...                          ENAS.nodes, ENAS.merge)
    >>> form(('sep_conv_3x3', 0), ('skip_connect', 1)) == form(
    ...      ('skip_connect', 1), ('sep_conv_3x3', 0))
    True
    """
    rest, cells = dict(sample), []
    for cell in _CELLS:
        pairs = tuple((rest.pop(f'{cell}/op_{node}_{slot}'),
                       _single(rest.pop(f'{cell}/input_{node}_{slot}')))
                      for node in range(_INPUTS, _INPUTS + nodes) for slot in range(2))
        cells.append(_canonical_cell(pairs, cell == 'reduce', merge, drop_path))
    return '; '.join([*cells, sample_key(rest)])


def _single(chosen: Any) -> Any:
    if not isinstance(chosen, (list, tuple)):
        return chosen
    source, = chosen
    return source


@lru_cache(maxsize=2 ** 15)
def _canonical_cell(pairs: Sequence[_Pair], reduction: bool, merge: str, drop_path: bool) -> str:
    """Return the text of a cell, whose nodes have two pairs of operation and source each."""
    cell = Computation()
    nodes = [cell.input(str(index)) for index in range(_INPUTS)]
    for first, second in zip(pairs[::2], pairs[1::2]):
        nodes.append(cell.add(*(
            _apply(cell, name, nodes[source], reduction and source < _INPUTS, drop_path)
            for name, source in (first, second))))
    used = {source for _, source in pairs} if merge == 'loose_end' else set()
    return cell.text([node for index, node in enumerate(nodes)
                      if index >= _INPUTS and index not in used])


def _apply(cell: Computation, name: str, node: Value, halved: bool, drop_path: bool) -> Value:
    """Return an operation on a node, at half the resolution or at the same."""
    pool = name.startswith(_POOLS)
    if name == 'none' or (pool and not node):
        return cell.add()
    if name == 'skip_connect' and not halved:
        return node
    return cell.apply(name, node, own_weights=not pool or drop_path)
