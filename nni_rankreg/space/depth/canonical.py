"""Which architectures of `DepthDecoder` compute the same."""

from __future__ import annotations

from ...typing import Sample
from ..computation import Computation, Value
from .code import BLOCKS, encode_depth
from .network import EDGES

__all__ = ['canonical_depth']


def canonical_depth(sample: Sample) -> str:
    """Return the same text for architectures of `DepthDecoder` that compute the same.

    In a fusion block ``none`` and pooling of zeros are zero, a skip connection is the node itself,
    and edges that do not reach the output are left out; so are the blocks before a block that does
    not use them. The first of four different blocks gets the same features twice.

    Parameters
    ----------
    sample
        Choices with the labels of the space, of any of its four forms.

    Raises
    ------
    ValueError
        If the labels or the choices are not those of the space.

    Examples
    --------
    >>> block = {f'fusion/{source}_{target}': 'none' for source, target in EDGES}
    >>> canonical_depth({**block, 'fusion/1_3': 'conv_1x1', 'fusion/0_2': 'conv_3x3'})
    '0=backbone 1=conv_1x1(0) out(1)'
    """
    encode_depth(sample)   # checks the labels
    if any(label.startswith('fusion/') for label in sample):
        return _block(sample, 'fusion')
    texts: list[str] = []
    for block in reversed(BLOCKS):
        texts.insert(0, _block(sample, block))
        if '=before' not in texts[0]:
            break
    return ' > '.join(texts)


def _block(sample: Sample, label: str) -> str:
    block = Computation()
    nodes = [block.input('backbone' if label == BLOCKS[0] else 'before'), block.input('backbone')]
    for node in (2, 3):
        nodes.append(block.add(*(
            _apply(block, sample[f'{label}/{source}_{target}'], nodes[source])
            for source, target in EDGES if target == node)))
    upsampling = f'^{sample[f"{label}/up"]}' if f'{label}/up' in sample else ''
    return f'{block.text([nodes[3]])}{upsampling}'


def _apply(block: Computation, name: str, node: Value) -> Value:
    pool = name == 'avg_pool_3x3'
    if name == 'none' or (pool and not node):
        return block.add()
    return node if name == 'skip_connect' else block.apply(name, node, own_weights=not pool)
