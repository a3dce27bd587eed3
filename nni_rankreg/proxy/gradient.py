"""Proxies of one backward pass: how much each weight matters to the loss at initialisation.

W are the weights of convolutions and linear layers, g = dL/dW on one batch. Batch normalisation
takes the statistics of the batch. Gradients that a layer does not get, as nothing follows it,
count as zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from ..batch_norm import batch_statistics
from .checks import Loss, class_loss, explained, loss_value, one_tensor
from .state import Batch, bypassed, hooked, layers, normalisations, only_trainable, weights

__all__ = ['snip', 'grad_norm', 'plain', 'grasp', 'fisher', 'synflow']

def snip(network: nn.Module, batch: Batch, *, loss: Loss = class_loss) -> float:
    r"""Return the connection sensitivity :math:`\sum_W |W \odot g|`.

    It is the gradient with respect to a mask over the weights, at a mask of ones.
    Source: Lee et al., "SNIP: Single-shot Network Pruning", ICLR 2019, Eq. 4; summed as by
    Abdelfattah et al., "Zero-Cost Proxies for Lightweight NAS", ICLR 2021.

    Parameters
    ----------
    network
        A stand-alone network with its initial weights. It is left as it was found.
    batch
        Images (B, C, H, W) and labels.
    loss
        Of (what the network returns, labels). By default the cross-entropy, of class indices only.

    Raises
    ------
    ProxyError
        If the loss is not defined for the outputs and labels.

    Examples
    --------
    >>> layer = nn.Linear(1, 1, bias=False)
    >>> _ = nn.init.constant_(layer.weight, 3.)
    >>> snip(layer, (torch.tensor([[2.]]), torch.tensor([0.])), loss=lambda y, _: -y.sum())
    6.0
    """
    chosen = weights(network)
    return _total((weight * gradient).abs().sum() for weight, gradient
                  in zip(chosen, _gradients(network, batch, loss, chosen)))


def grad_norm(network: nn.Module, batch: Batch, *, loss: Loss = class_loss) -> float:
    """Return the sum over layers of the L2 norm of g, which is not the norm of all together.

    Source: Abdelfattah et al., ICLR 2021. Parameters are those of `snip`.
    """
    return _total(gradient.norm() for gradient
                  in _gradients(network, batch, loss, weights(network)))


def plain(network: nn.Module, batch: Batch, *, loss: Loss = class_loss) -> float:
    r"""Return :math:`\sum_W W \odot g` with its sign, a negative control.

    Its published correlation with accuracy on NAS-Bench-201 is negative.
    Source: Abdelfattah et al., ICLR 2021. Parameters are those of `snip`.
    """
    chosen = weights(network)
    return _total((weight * gradient).sum() for weight, gradient
                  in zip(chosen, _gradients(network, batch, loss, chosen)))


def _gradients(network: nn.Module, batch: Batch, loss: Loss, chosen: Sequence[Tensor]
               ) -> list[Tensor]:
    with batch_statistics(network), only_trainable(network, chosen):
        value = _value(network, batch, loss)
        return _or_zero(chosen, torch.autograd.grad(value, chosen, allow_unused=True))


def _value(network: nn.Module, batch: Batch, loss: Loss) -> Tensor:
    with explained(network, batch[0]):
        outputs = network(batch[0])
    return loss_value(loss, outputs, batch[1])


def grasp(network: nn.Module, batch: Batch, *, loss: Loss = class_loss,
          temperature: float = 1.) -> float:
    r"""Return :math:`-\sum_W W \odot H g`, H the Hessian of the loss: kept gradient flow.

    Source: Wang et al., "Picking Winning Tickets Before Training by Preserving Gradient Flow",
    ICLR 2020, Eq. 8; summed as by Abdelfattah et al., ICLR 2021.

    Parameters
    ----------
    network, batch, loss
        See `snip`.
    temperature
        Divides the logits; 1 as in the zero-cost literature, 200 in the paper.
    """
    def cooled(outputs: Any, labels: Any) -> Tensor:
        return loss(outputs if temperature == 1. else one_tensor(outputs) / temperature, labels)

    chosen = weights(network)
    # PyTorch has no second derivative of this module's function, nor of fused attention.
    sigmoids = [module for module in network.modules() if isinstance(module, nn.Hardsigmoid)]
    with batch_statistics(network), only_trainable(network, chosen), \
            bypassed(sigmoids, _hard_sigmoid), sdpa_kernel(SDPBackend.MATH):
        value = _value(network, batch, cooled)
        gradients = torch.autograd.grad(value, chosen, allow_unused=True, create_graph=True)
        # The derivative of g' . stop(g) is H g.
        product = torch.stack([(gradient * gradient.detach()).sum() for gradient in gradients
                               if gradient is not None]).sum()
        curved = _or_zero(chosen, torch.autograd.grad(product, chosen, allow_unused=True))
    return -_total((weight * curve).sum() for weight, curve in zip(chosen, curved))


def _hard_sigmoid(x: Tensor) -> Tensor:
    return (x / 6 + 0.5).clamp(0, 1)


def fisher(network: nn.Module, batch: Batch, *, loss: Loss = class_loss) -> float:
    r"""Return the Fisher information of the channels, weighted by their number of weights.

    .. math:: \sum_l F_l \sum_c \frac{1}{2B} \sum_n \Big(\sum_{hw} a \frac{dL}{da}\Big)^2

    with a the outputs of layer l, c its channels, and F the number of weights of one channel.
    Source: Turner et al., "BlockSwap", ICLR 2020, Eq. 4; summed as by Abdelfattah et al., ICLR
    2021. Parameters are those of `snip`.
    """
    outputs: list[Tensor] = []
    sizes: list[int] = []

    def keep(layer: Any, _: Any, output: Tensor) -> None:
        outputs.append(output)
        sizes.append(layer.weight[0].numel())

    # Weights require a gradient so that every output does; it is computed for the outputs only.
    with batch_statistics(network), only_trainable(network, weights(network)), \
            hooked(layers(network), keep):
        value = _value(network, batch, loss)
        gradients = torch.autograd.grad(value, outputs, allow_unused=True)
    terms = []
    for output, gradient, size in zip(outputs, gradients, sizes):
        if gradient is not None:
            product = output.detach() * gradient
            product = product.flatten(2).sum(2) if product.ndim > 2 else product
            terms.append(size * product.pow(2).mean(0).sum() / 2)
    return _total(terms)


def synflow(network: nn.Module, batch: Batch, *, log: bool = True) -> float:
    r"""Return the synaptic flow :math:`\ln \sum_W W \odot dR/dW`, which needs no data.

    R is the sum of the outputs for an image of ones, after all parameters have been replaced by
    their absolute values; normalisation (of batches, instances, layers, groups, and by the root
    mean square) is left out; computed in float64.
    Source: Tanaka et al., "Pruning neural networks without any data by iteratively conserving
    synaptic flow", NeurIPS 2020, Eq. 2; the logarithm is that of NASLib.

    Parameters
    ----------
    network
        See `snip`.
    batch
        Of which the shape of an image matters.
    log
        Whether to take the logarithm; the sum itself reaches 1e50.

    Returns
    -------
    float
        -inf if no image reaches the output.
    """
    chosen = {id(weight) for weight in weights(network)}
    tensors = {name: tensor.detach().abs().double() for name, tensor in network.named_parameters()}
    flowing = [tensors[name].requires_grad_() for name, parameter in network.named_parameters()
               if id(parameter) in chosen]
    for name, buffer in network.named_buffers():
        tensors[name] = buffer.double() if buffer.is_floating_point() else buffer.clone()
    ones = torch.ones_like(batch[0][:1], dtype=torch.float64)
    with batch_statistics(network), bypassed(normalisations(network)), torch.enable_grad():
        with explained(network, batch[0]):
            outputs = one_tensor(functional_call(network, tensors, (ones,)))
        gradients = torch.autograd.grad(outputs.sum(), flowing, allow_unused=True)
    total = torch.stack([(weight.detach() * gradient).sum() for weight, gradient
                         in zip(flowing, _or_zero(flowing, gradients))]).sum()
    return (total.log() if log else total).item()


def _or_zero(tensors: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> list[Tensor]:
    return [torch.zeros_like(tensor) if gradient is None else gradient
            for tensor, gradient in zip(tensors, gradients)]


def _total(terms: Any) -> float:
    return torch.stack([term.detach().double() for term in terms]).sum().item()
