"""Which encoder a space has."""

from __future__ import annotations

import re

from nni.mutable import Mutable
from nni.nas.hub.pytorch.nasnet import NDS

from ..space.nasbench201 import EDGES
from ..typing import Space
from .chain import ChainEncoder
from .choice import ChoiceEncoder
from .graph import StructuredEncoder
from .nasbench import NasBench101Encoder, NasBench201Encoder
from .nds import NDSEncoder

__all__ = ['default_encoder']


def default_encoder(space: Space) -> StructuredEncoder:
    """Return the encoder of a known space, `ChoiceEncoder` for any other.

    Parameters
    ----------
    space
        An NNI space, or the dict that its ``simplify()`` returns.

    Examples
    --------
    >>> from nni.mutable import Categorical
    >>> type(default_encoder({'op': Categorical(['conv', 'pool'], label='op')})).__name__
    'ChoiceEncoder'
    """
    labels = (space.simplify() if isinstance(space, Mutable) else space).keys()
    if labels == {f'cell/{source}_{target}' for source, target in EDGES}:
        return NasBench201Encoder()
    if labels >= {'cell/num_nodes', 'cell/op5'} or labels >= {'cell/edge_0_1', 'cell/edge_5_6'}:
        return NasBench101Encoder()
    if isinstance(space, NDS):
        return NDSEncoder(space)
    if labels and all(re.fullmatch(r's\d+_(i\d+|depth|width)', label) for label in labels):
        return ChainEncoder.from_space(space)
    return ChoiceEncoder(space)
