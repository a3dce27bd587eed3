"""Which architectures of NAS-Bench-201 compute the same."""

from __future__ import annotations

from ...typing import Sample
from .code import CHOICES, EDGES, encode_nasbench201

__all__ = ['canonical_nasbench201']

_ZERO = '#'


def canonical_nasbench201(sample: Sample) -> str:
    """Return the benchmark's unique string of an architecture: 6,466 for the 15,625 cells.

    A node is the sum of its edges in alphabetical order, where an operation on a node is
    ``(node)@operation``, a skip connection is the node itself, and ``none`` is ``#``, as is
    any operation on ``#``. Source: Dong et al., "NATS-Bench", TPAMI 2021, and its code.

    Parameters
    ----------
    sample
        An architecture, as of `encode_nasbench201`.

    Raises
    ------
    ValueError
        If the labels or the choices are not those of the space.

    .. note:: The string tells more apart than there is: sums keep their zeros, sums of sums are not
       sorted as one sum, and only the first node is ever zero as a whole. It tells less apart,
       too: the sum of a convolution with itself (by two skip connections) and the sum of two
       convolutions with weights of their own have one string, and ``#`` stands for a convolution of
       zeros, whose batch normalisation still adds its bias. Where each convolution has its own
       weights and that bias is left out there are 5,260 functions, and 430 of the 6,466 strings
       stand for two or more of them; with the bias these are 5,875 and 523.

    Examples
    --------
    >>> cell = {f'cell/{source}_{target}': 'none' for source, target in EDGES}
    >>> canonical_nasbench201({**cell, 'cell/0_3': 'conv_3x3', 'cell/1_2': 'conv_1x1'})
    '#+#+(0)@nor_conv_3x3'
    """
    encode_nasbench201(sample)   # checks the labels
    nodes = ['0']
    for node in (1, 2, 3):
        nodes.append('+'.join(sorted(
            _apply(sample[f'cell/{source}_{target}'], nodes[source])
            for source, target in EDGES if target == node)))
    return nodes[3]


def _apply(choice: str, node: str) -> str:
    if choice == 'none' or node == _ZERO:
        return _ZERO
    return node if choice == 'skip_connect' else f'({node})@{CHOICES[choice]}'
