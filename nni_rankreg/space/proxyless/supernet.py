"""Choices of layers in a super-net that keep the probabilities which the space gives them."""

from __future__ import annotations

from typing import Any

from nni.nas.nn.pytorch import LayerChoice
from nni.nas.oneshot.pytorch.supermodule.sampling import PathSamplingLayer
from torch import nn

__all__ = ['keep_probabilities']


def keep_probabilities(module: nn.Module, name: str, memo: dict[str, Any],
                       mutate_kwargs: dict[str, Any]) -> PathSamplingLayer | None:
    """Return the form of a choice of layers in a super-net; NNI's own makes all choices equal."""
    if type(module) is not LayerChoice:
        return None
    choice: Any = module.choice
    layer = PathSamplingLayer(module.candidates, module.label)
    layer.choice.weights = choice.weights
    return layer
