"""Proxies that need no gradient: operations, parameters, norms of the initial weights."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from .state import Batch, hooked, layers, weights

__all__ = ['flops', 'params', 'l2_norm']


def flops(network: nn.Module, batch: Batch) -> float:
    """Return the multiply-accumulates of convolutions and linear layers, in millions per image.

    One multiply-accumulate counts once, as NAS-Bench-201 and thop count. Biases, normalisation,
    pooling and products of two activations (attention) do not count.

    Parameters
    ----------
    network
        A stand-alone network; only what an image passes through counts.
    batch
        Images (B, C, H, W), of which the shape matters, and labels.

    Examples
    --------
    >>> network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Flatten(), nn.Linear(800, 10))
    >>> flops(network, (torch.zeros(2, 3, 10, 10), torch.zeros(2)))
    0.0296
    """
    counts: list[int] = []

    def count(layer: Any, _: Any, output: Tensor) -> None:
        # A row of the weight is multiplied for each output: without groups, that is the fan-in.
        counts.append(output.numel() * math.prod(layer.weight.shape[1:]))

    modes = [(module, module.training) for module in network.modules()]
    try:
        network.eval()                         # one image is no batch to normalise by
        with hooked(layers(network), count), torch.no_grad():
            network(batch[0][:1])
    finally:
        for module, training in modes:
            module.training = training
    return sum(counts) / 1e6


def params(network: nn.Module, batch: Batch | None = None) -> float:
    """Return the number of parameters, in millions: all of them, normalisation and biases too.

    Examples
    --------
    >>> params(nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8)))
    0.000232
    """
    return sum(parameter.numel() for parameter in network.parameters()) / 1e6


def l2_norm(network: nn.Module, batch: Batch | None = None) -> float:
    """Return the sum over convolutions and linear layers of the L2 norm of the initial weight.

    Source: Abdelfattah et al., "Zero-Cost Proxies for Lightweight NAS", ICLR 2021 (its code).

    Examples
    --------
    >>> layer = nn.Linear(2, 1)
    >>> _ = nn.init.constant_(layer.weight, 3.)
    >>> round(l2_norm(nn.Sequential(layer, layer)), 4)
    4.2426
    """
    return sum(weight.detach().double().norm().item() for weight in weights(network))
