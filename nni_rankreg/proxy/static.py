"""Proxies that need no gradient: operations, parameters, norms of the initial weights."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from .checks import explained
from .state import LAYERS, Batch, ProxyError, hooked, weights

__all__ = ['flops', 'params', 'l2_norm']


_RECURRENT = (nn.RNNBase, nn.RNNCellBase)


def flops(network: nn.Module, batch: Batch) -> float:
    """Return the multiply-accumulates of weights and activations, in millions per image.

    Those of convolutions, linear and recurrent layers, and the projections of
    `nn.MultiheadAttention`. One multiply-accumulate counts once, as NAS-Bench-201 and thop count.
    Biases, normalisation, pooling, gates and products of two activations (the attention itself)
    do not count.

    Parameters
    ----------
    network
        A stand-alone network; only what an image passes through counts.
    batch
        Images (B, C, H, W), of which the shape matters, and labels.

    Raises
    ------
    ProxyError
        If the network has no such layer.

    Examples
    --------
    >>> network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Flatten(), nn.Linear(800, 10))
    >>> flops(network, (torch.zeros(2, 3, 10, 10), torch.zeros(2)))
    0.0296
    """
    counts: list[int] = []

    def count(layer: Any, args: Any, kwargs: Any, output: Any) -> None:
        if isinstance(layer, nn.MultiheadAttention):
            counts.append(_projections(layer, *args, **kwargs))
        elif isinstance(layer, _RECURRENT):
            counts.append(_steps(layer, *args, **kwargs))
        else:
            # A row of the weight is multiplied for each output: without groups, the fan-in.
            counts.append(output.numel() * math.prod(layer.weight.shape[1:]))

    counted = [module for module in network.modules()
               if isinstance(module, (*LAYERS, *_RECURRENT, nn.MultiheadAttention))]
    if not counted:
        raise ProxyError('Expected a network with convolutions or linear layers, recurrent ones or '
                         f'attention, got {type(network).__name__} without any.')
    modes = [(module, module.training) for module in network.modules()]
    try:
        network.eval()                         # one image is no batch to normalise by
        with hooked(counted, count, with_kwargs=True), torch.no_grad(), \
                explained(network, batch[0]):
            network(batch[0][:1])
    finally:
        for module, training in modes:
            module.training = training
    return sum(counts) / 1e6


def _projections(layer: nn.MultiheadAttention, query: Tensor, key: Tensor, value: Tensor,
                 *_: Any, **__: Any) -> int:
    """Return the multiply-accumulates of queries, keys, values and outputs; (..., features)."""
    # The output has one row for each query. All are projected to `embed_dim` features.
    return layer.embed_dim * (query.numel() + key.numel() + value.numel()
                              + query.numel() // query.shape[-1] * layer.embed_dim)


def _steps(layer: Any, input: Any, *_: Any, **__: Any) -> int:
    """Return the multiply-accumulates of a recurrent layer, or cell, on all steps of its input."""
    steps = input.data.numel() // layer.input_size  # of a tensor, or of a packed sequence
    return steps * sum(weight.numel() for name, weight in layer.named_parameters()
                       if name.startswith('weight_'))


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
