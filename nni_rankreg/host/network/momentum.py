"""Where batch normalisation keeps its momentum, in layers that NNI has mixed and in others."""

from __future__ import annotations

from typing import Any

from nni.nas.oneshot.pytorch.supermodule.operation import MixedOperation
from torch import nn

__all__ = ['momentum_holder']


def momentum_holder(norm: nn.Module) -> dict[str, Any]:
    """Return the dict that batch normalisation looks up its momentum in; mixed ones have another.

    Parameters
    ----------
    norm
        A layer of batch normalisation, mixed by NNI or not.
    """
    if not isinstance(norm, MixedOperation):
        return vars(norm)
    if 'momentum' in norm.mutable_arguments:
        return norm.sampling_policy._sampled
    return norm.init_arguments
