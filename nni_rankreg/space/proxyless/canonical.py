"""Which architectures of the mobile space of ProxylessNAS compute the same."""

from __future__ import annotations

from collections.abc import Sequence

from ...typing import Sample
from ..codec import codec
from .code import BLOCKS, SKIP, block_positions

__all__ = ['canonical_proxyless']


@codec
def canonical_proxyless(sample: Sample, blocks: Sequence[int] = BLOCKS) -> str:
    """Return the operations of each stage in turn, without the blocks that are left out.

    Parameters
    ----------
    sample
        Choices of the blocks, with the labels of `ProxylessNAS`.
    blocks
        Number of blocks of each stage that is chosen.

    Raises
    ------
    ValueError
        If the labels are not those of the space.

    Examples
    --------
    >>> canonical_proxyless({'s2_i0': 'k3e3', 's2_i1': 'skip', 's2_i2': 'k5e6'}, blocks=[3])
    'k3e3,k5e6'
    """
    stages: list[list[str]] = [[] for _ in blocks]
    labels = set()
    for label, *_ in block_positions(blocks=blocks):
        labels.add(label)
        if sample[label] != SKIP:
            stages[int(label[1]) - 2].append(sample[label])
    if sample.keys() != labels:
        raise ValueError(f'Expected the labels {sorted(labels)}, got {sorted(sample)}.')
    return ' '.join(map(','.join, stages))
