"""What proxies do to a network while they score it; everything is undone on exit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from .._util.forward import ReplacedForward

__all__ = [
    'Batch', 'LAYERS', 'ProxyError', 'bypassed', 'hooked', 'layers',
    'normalisations', 'norms', 'only_trainable', 'weights', 'without_shortcuts',
]

Batch = tuple[Tensor, Tensor]
"""Images (B, C, H, W) and their labels."""

LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
"""Layers whose weights the proxies look at; not normalisation, not biases."""

_NORMALISATIONS = (_BatchNorm, _InstanceNorm, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


class ProxyError(ValueError):
    """A network or a batch for which the proxy is not defined."""


def layers(network: nn.Module) -> list[Any]:
    """Return the convolutions and linear layers.

    Raises
    ------
    ProxyError
        If there are none.
    """
    found: list[Any] = [module for module in network.modules() if isinstance(module, LAYERS)]
    if not found:
        raise ProxyError('Expected a network with convolutions or linear layers, got '
                         f'{type(network).__name__} without any.')
    return found


def weights(network: nn.Module) -> list[nn.Parameter]:
    """Return the different weights of `layers`."""
    return list({id(layer.weight): layer.weight for layer in layers(network)}.values())


def norms(network: nn.Module) -> list[Any]:
    """Return the layers of batch normalisation."""
    return [module for module in network.modules() if isinstance(module, _BatchNorm)]


def normalisations(network: nn.Module) -> list[Any]:
    """Return all layers of normalisation: of a batch, an instance, a layer, a group."""
    return [module for module in network.modules() if isinstance(module, _NORMALISATIONS)]


@contextmanager
def only_trainable(network: nn.Module, chosen: Iterable[Tensor] = ()) -> Iterator[None]:
    """Make gradients reach the chosen parameters and no other; also inside `torch.no_grad`."""
    flags = [(parameter, parameter.requires_grad) for parameter in network.parameters()]
    try:
        for parameter, _ in flags:
            parameter.requires_grad_(False)
        for tensor in chosen:
            tensor.requires_grad_()
        with torch.enable_grad():
            yield
    finally:
        for parameter, flag in flags:
            parameter.requires_grad_(flag)


@contextmanager
def hooked(modules: Iterable[nn.Module], hook: Any, *, before: bool = False,
           with_kwargs: bool = False) -> Iterator[None]:
    """Call `hook` after, or before, the forward pass of each of the modules."""
    handles = [module.register_forward_pre_hook(hook, with_kwargs=with_kwargs) if before
               else module.register_forward_hook(hook, with_kwargs=with_kwargs)
               for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _identity(x: Tensor) -> Tensor:
    return x


def bypassed(modules: Iterable[nn.Module],
             instead: Callable[[Tensor], Tensor] = _identity) -> AbstractContextManager[None]:
    """Let each of the modules return its input, or what `instead` makes of it."""
    return ReplacedForward(dict.fromkeys(modules, instead))


def _nothing(x: Tensor) -> Tensor:
    return x.new_zeros(())


@contextmanager
def without_shortcuts(network: nn.Module) -> Iterator[None]:
    """Remove the residual links of the blocks that follow a convention of naming.

    These are a child called ``downsample`` or ``shortcut`` (NNI's NAS-Bench-201, torchvision's
    ResNet), or None in its place, whose output counts as zero, and an attribute ``has_skip`` that
    is true (NNI's MobileNetV3 and ProxylessNAS).

    Raises
    ------
    ProxyError
        If there are none.
    """
    found = [(block, name, getattr(block, name, False)) for block in network.modules()
             for name in ('downsample', 'shortcut', 'has_skip')]
    shortcuts = [link for *_, link in found if isinstance(link, nn.Module)]
    identities = [(block, name, link) for block, name, link in found
                  if link is None or (link is True and name == 'has_skip')]
    if not shortcuts and not identities:
        raise ProxyError('Expected a network with residual links to remove (a child named '
                         'downsample or shortcut, or has_skip), got none: keep residuals=True.')
    with bypassed(shortcuts, _nothing):
        try:
            for block, name, link in identities:
                setattr(block, name, False if link else _nothing)
            yield
        finally:
            for block, name, link in identities:
                setattr(block, name, link)
