"""Which encoder a space has."""

from __future__ import annotations

from typing import Mapping

from nni.mutable import LabeledMutable, Mutable
from nni.nas.hub.pytorch import NasBench101, NasBench201, ProxylessNAS
from nni.nas.hub.pytorch.nasnet import NDS

from .cell import NasBench101Encoder, NasBench201Encoder, NDSEncoder
from .chain import ChainEncoder
from .choice import ChoiceEncoder
from .graph import GraphEncoder

__all__ = ['default_encoder']


def default_encoder(space: Mutable | Mapping[str, LabeledMutable]) -> GraphEncoder:
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
    if isinstance(space, NasBench201):
        return NasBench201Encoder()
    if isinstance(space, NasBench101):
        return NasBench101Encoder()
    if isinstance(space, NDS):
        return NDSEncoder(space)
    if isinstance(space, ProxylessNAS):
        return ChainEncoder.from_hub(space)
    return ChoiceEncoder(space)
