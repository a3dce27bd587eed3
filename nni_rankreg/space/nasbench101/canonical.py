"""Which architectures of NAS-Bench-101 are one cell."""

from __future__ import annotations

from ...typing import Sample
from .code import hash_nasbench101
from .labels import by_edges

__all__ = ['canonical_nasbench101']


def canonical_nasbench101(sample: Sample) -> str:
    """Return the same text for all architectures of one cell: the benchmark's hash.

    Vertices on no path from input to output do not count, nor does the order of the others. The
    423,624 cells have as many hashes, which Ying et al., ICML 2019, compared with isomorphism.

    Parameters
    ----------
    sample
        An architecture, labelled edge by edge or as NNI's `NasBench101` does.

    Raises
    ------
    ValueError
        If it is no cell of the space.

    .. note:: If the channels of the output cannot be divided evenly among the vertices that lead to
       it, the first ones have one more, so that two orders of the vertices differ by a channel
       here and there. The benchmark has one result for both.

    .. note:: Two equal poolings of the same vertices compute one thing, as one pooling does that
       leads to all that the two lead to. The benchmark has different results for them, and so they
       are not the same here.

    Examples
    --------
    >>> from nni_rankreg.space import decode_nasbench101
    >>> one = decode_nasbench101(([[0, 1], [0, 0]], ['input', 'output']))
    >>> unused = {**one, 'cell/edge_0_1': 1, 'cell/op_1': 'maxpool3x3'}
    >>> canonical_nasbench101(one) == canonical_nasbench101(unused)
    True
    """
    return hash_nasbench101(by_edges(sample))
