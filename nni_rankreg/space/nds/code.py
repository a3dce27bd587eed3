"""The literature's code of cells whose nodes have two operations each: the genotype."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral
from typing import TYPE_CHECKING, Literal, NamedTuple

from ...typing import Sample
from ..codec import codec

if TYPE_CHECKING:
    from .space import NDSSpace

__all__ = ['Genotype', 'encode_nds', 'decode_nds']

_CELLS: tuple[Literal['normal', 'reduce'], ...] = ('normal', 'reduce')
_Pairs = tuple[tuple[str, int], ...]


class Genotype(NamedTuple):
    """Two cells, and the size of the network if that is a choice.

    Parameters
    ----------
    normal, reduce
        (operation, input) pairs, two for each node in turn; the inputs 0 and 1 are the outputs of
        the last cell but one and of the last cell, 2 is the first node.
    normal_concat, reduce_concat
        The nodes that are merged.
    width, depth
        Channels of the first stage and number of cells; None if they are fixed.
    """

    normal: _Pairs
    normal_concat: tuple[int, ...]
    reduce: _Pairs
    reduce_concat: tuple[int, ...]
    width: int | None = None
    depth: int | None = None


@codec
def encode_nds(sample: Sample, family: type[NDSSpace]) -> Genotype:
    """Return the genotype of an architecture.

    Parameters
    ----------
    sample
        ``normal/op_2_0`` ... and ``normal/input_2_0`` ..., where 2 is the first node, likewise
        ``reduce/``, and ``width`` and ``depth`` if they are choices of the space.
    family
        The class of the space, for example `DARTSSpace`.

    Raises
    ------
    ValueError
        If the labels or choices are not those of the space.

    Examples
    --------
    >>> from nni_rankreg.space import ENAS
    >>> pairs = [('skip_connect', 0), ('max_pool_3x3', 1)] * 5
    >>> genotype = Genotype(pairs, range(2, 7), pairs, range(2, 7))
    >>> encode_nds(decode_nds(genotype, ENAS), ENAS).normal_concat
    (2, 3, 4, 5, 6)
    """
    wanted = {label for cell in _CELLS for pair in _labels(cell, family) for label in pair}
    if not wanted <= sample.keys() <= wanted | {'width', 'depth'}:
        raise ValueError(f'Expected the labels {sorted(wanted)}, and width and depth if they are '
                         f'choices, got {sorted(sample)}.')
    pairs = {}
    for cell in _CELLS:
        if any(len(sample[label]) != 1 for _, label in _labels(cell, family)):
            raise ValueError(f'Expected one input of each operation, got {sample}.')
        pairs[cell] = tuple((sample[operation], sample[source][0])
                            for operation, source in _labels(cell, family))
        _check(pairs[cell], family)
    _check_size(sample.get('width'), sample.get('depth'))
    return Genotype(pairs['normal'], _concat(pairs['normal'], family),
                    pairs['reduce'], _concat(pairs['reduce'], family),
                    sample.get('width'), sample.get('depth'))


@codec
def decode_nds(genotype: Genotype, family: type[NDSSpace]) -> Sample:
    """Return the architecture of a genotype.

    Parameters
    ----------
    genotype
        The two cells, and width and depth if they are choices of the space.
    family
        The class of the space, for example `DARTSSpace`.

    Raises
    ------
    ValueError
        If it is no genotype of the space, or other nodes are merged than the space does.
    """
    sample: Sample = {}
    for cell in _CELLS:
        pairs = tuple((name, source) for name, source in getattr(genotype, cell))
        _check(pairs, family)
        merged, wanted = getattr(genotype, f'{cell}_concat'), _concat(pairs, family)
        if tuple(merged) != wanted:
            raise ValueError(f'Expected the nodes {list(wanted)} to be merged in the {cell} cell, '
                             f'got {list(merged)}.')
        for (operation, source), pair in zip(_labels(cell, family), pairs):
            sample[operation], sample[source] = str(pair[0]), [int(pair[1])]
    _check_size(genotype.width, genotype.depth)
    sizes = {'width': genotype.width, 'depth': genotype.depth}
    return {**sample, **{label: size for label, size in sizes.items() if size is not None}}


def _labels(cell: str, family: type[NDSSpace]) -> list[tuple[str, str]]:
    """Return the labels of each operation and its input, in the order of the genotype."""
    return [(f'{cell}/op_{node}_{slot}', f'{cell}/input_{node}_{slot}')
            for node in _nodes(family) for slot in range(2)]


def _nodes(family: type[NDSSpace]) -> Iterable[int]:
    return range(2, 2 + family.nodes)


def _concat(pairs: _Pairs, family: type[NDSSpace]) -> tuple[int, ...]:
    used = {source for _, source in pairs} if family.merge == 'loose_end' else set()
    return tuple(node for node in _nodes(family) if node not in used)


def _check(pairs: _Pairs, family: type[NDSSpace]) -> None:
    fits = len(pairs) == 2 * family.nodes and all(
        name in family.operations and source in range(2 + index // 2)
        for index, (name, source) in enumerate(pairs))
    if not fits:
        raise ValueError(f'Expected {2 * family.nodes} pairs of an operation among '
                         f'{list(family.operations)} and an earlier node, two for each node in '
                         f'turn, got {list(pairs)}.')


def _check_size(*sizes: int | None) -> None:
    if not all(size is None or (isinstance(size, Integral) and size > 0) for size in sizes):
        raise ValueError(f'Expected a width and a depth of at least 1, or None, got {sizes}.')
