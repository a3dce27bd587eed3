"""Proxies of one forward pass: how differently, and how strongly, a network reacts to inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ..batch_norm import batch_statistics
from .checks import differentiable, explained, one_tensor
from .state import LAYERS, Batch, ProxyError, hooked, layers, norms, without_shortcuts

__all__ = ['naswot', 'zen']

_RELUS = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.RReLU)
_POOLS = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)
_MIXUP = 0.01


@torch.no_grad()
def naswot(network: nn.Module, batch: Batch) -> float:
    r"""Return :math:`\ln |\det K|`, K the similarities of the images' binary codes.

    .. math:: K = \sum_{ReLU} b b^T + (1 - b)(1 - b)^T, \qquad b = [x > 0]

    with x the inputs of a ReLU, (B, units). K_nm counts the units that are on or off for both
    images n and m. Scores compare only at the same images; 16 or more real ones are advisable.
    Source: Mellor et al., "Neural Architecture Search without Training", ICML 2021, Eq. 3.

    Parameters
    ----------
    network
        A stand-alone network with its initial weights. It is left as it was found.
    batch
        Images (B, C, H, W) and labels, which are not used.

    Returns
    -------
    float
        -inf if two images have the same code everywhere; for B = 1 the logarithm of the number
        of units.

    Raises
    ------
    ProxyError
        If no module of the family of ReLU is called: functions such as `F.relu` are not seen.

    Examples
    --------
    >>> images = torch.tensor([[1., -1., 1.], [1., 1., -1.]])    # 3 units, 1 in common
    >>> round(naswot(nn.ReLU(), (images, torch.zeros(2))), 4)    # ln det [[3, 1], [1, 3]]
    2.0794
    """
    size = len(batch[0])
    kernel = torch.zeros(size, size, dtype=torch.float64, device=batch[0].device)
    units = 0

    def add(_: Any, inputs: tuple[Tensor, ...]) -> None:
        nonlocal units
        # float32 holds these counts exactly; the product of zeros follows from that of ones.
        codes = (inputs[0].flatten(1) > 0).float()
        on = codes.sum(1).double()
        kernel.add_(2 * (codes @ codes.T).double() + codes.shape[1] - on - on[:, None])
        units += codes.shape[1]

    relus = [module for module in network.modules() if isinstance(module, _RELUS)]
    with batch_statistics(network), hooked(relus, add, before=True), \
            explained(network, batch[0]):
        network(batch[0])
    if not units:
        raise ProxyError('Expected a network that calls modules of the family of nn.ReLU, got '
                         f'{type(network).__name__} without any.')
    return torch.linalg.slogdet(kernel).logabsdet.item()


@torch.no_grad()
def zen(network: nn.Module, batch: Batch, *, residuals: bool = True, repeat: int = 1,
        seed: int = 0) -> float:
    r"""Return the Zen score, the Gaussian complexity of a network with random weights.

    .. math:: \ln \Delta + \sum_{BN} \ln \sqrt{\overline{\sigma^2}}, \qquad
              \Delta = \mathrm{mean}_n \|f(x_n) - f(x_n + 0.01 e_n)\|_1

    Weights, x and e are drawn from N(0, 1), the scales of normalisation are 1, biases 0; f are the
    features before the last adaptive average pooling (the output where there is none), and the
    variances those of running statistics that start at 1. The mean over the repetitions.
    Source: Lin et al., "Zen-NAS: A Zero-Shot NAS for High-Performance Image Recognition", ICCV
    2021, Algorithm 1.

    Parameters
    ----------
    network
        A stand-alone network. Its own weights are not used. It is left as it was found.
    batch
        Of which the shape of the images matters: as many random ones are drawn.
    residuals
        False removes residual links, as ZenNAS does: the sum over normalisations has its meaning
        for a single chain only. See `nni_rankreg.proxy.state.without_shortcuts` for which.
    repeat
        Draws of weights and images: 1 as in the search of the paper, 32 in its tool.
    seed
        Of the draws.

    Raises
    ------
    ProxyError
        If there is no residual link to remove, or if the images are integers such as tokens.
    """
    if repeat < 1:
        raise ValueError(f'Expected at least 1 repetition, got {repeat}.')
    like = differentiable(batch[0])
    generator = torch.Generator().manual_seed(seed)
    scores = []
    with batch_statistics(network), nullcontext() if residuals else without_shortcuts(network), \
            _running_variances(network) as variances, _features(network) as features, \
            explained(network, like):
        for _ in range(repeat):
            tensors = _gaussian(network, generator)
            images, noise = (_normal(like, generator) for _ in range(2))
            difference = features(tensors, images) - features(tensors, images + _MIXUP * noise)
            delta = difference.reshape(len(difference), -1).double().abs().sum(1).mean()
            scale = sum(variance.mean().double().log() / 2 for variance in variances.values())
            scores.append(delta.log() + scale)
    return torch.stack(scores).mean().item()


@contextmanager
def _running_variances(network: nn.Module) -> Iterator[dict[nn.Module, Tensor]]:
    """Yield what the running variances of the normalisations become, from 1 on."""
    variances: dict[nn.Module, Tensor] = {}

    def update(norm: Any, inputs: tuple[Tensor, ...]) -> None:
        axes = [axis for axis in range(inputs[0].ndim) if axis != 1]
        momentum = 0.1 if norm.momentum is None else norm.momentum
        before = variances.get(norm, inputs[0].new_ones(()))
        variances[norm] = torch.lerp(before.expand(inputs[0].shape[1]), inputs[0].var(axes),
                                     momentum)

    with hooked(norms(network), update, before=True):
        yield variances


@contextmanager
def _features(network: nn.Module) -> Iterator[Callable[[dict[str, Tensor], Tensor], Tensor]]:
    """Yield f, from parameters and images to the features before the last average pooling."""
    pooled: list[Tensor] = []

    def keep(_: Any, inputs: tuple[Tensor, ...]) -> None:
        pooled[:] = [inputs[0]]

    def features(tensors: dict[str, Tensor], images: Tensor) -> Tensor:
        pooled.clear()
        output = functional_call(network, tensors, (images,))
        return pooled[0] if pooled else one_tensor(output)

    pools = [module for module in network.modules() if isinstance(module, _POOLS)]
    with hooked(pools, keep, before=True):
        yield features


def _gaussian(network: nn.Module, generator: torch.Generator) -> dict[str, Tensor]:
    """Return new parameters: weights from N(0, 1), scales 1, biases 0; others stay."""
    tensors: dict[int, Tensor] = {}
    for module in [*layers(network), *norms(network)]:
        for name, parameter in module.named_parameters(recurse=False):
            if name != 'weight':
                tensors[id(parameter)] = torch.zeros_like(parameter)
            elif isinstance(module, LAYERS):
                tensors[id(parameter)] = _normal(parameter, generator)
            else:
                tensors[id(parameter)] = torch.ones_like(parameter)
    return {name: tensors.get(id(parameter), parameter)
            for name, parameter in network.named_parameters()}


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    """Draw on the CPU, so that the numbers do not depend on the device."""
    return torch.randn(like.shape, generator=generator).to(like)
