"""The mobile space of ProxylessNAS, as AceNAS and TuNAS search it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from nni.nas.nn.pytorch import LayerChoice, ModelSpace
from nni.nas.strategy import RandomOneShot
from torch import Tensor, nn

from ..._util.error import brief
from ..._util.size import check_sizes
from ...typing import Sample
from ..cost import Convolution, Cost, total_cost
from .code import (
    BLOCKS,
    OPERATIONS,
    SKIP,
    WIDTHS,
    Position,
    block_positions,
    check_stages,
)
from .supernet import keep_probabilities

__all__ = ['ProxylessNAS']


class ProxylessNAS(ModelSpace):
    """Mobile networks of 21 inverted residual blocks, 15 of which may be left out.

    A block has one of six operations, ``k3e3`` to ``k7e6``: kernel 3, 5 or 7, expansion 3 or 6.
    Labels are ``s2_i0`` (stage 2, first block) to ``s7_i0``; in all stages but the last, which has
    one block, three more blocks have the choice ``skip`` as well: 6^6 x 7^15 = 2.2e17
    architectures. Networks of blocks left out at different places are equal if the others have
    the same operations; a super-net has other weights for them.

    Source: Cai et al., "ProxylessNAS", ICLR 2019; Zhang et al., "AceNAS", 2021.

    Parameters
    ----------
    num_labels
        Number of classes.
    widths
        Channels of the stem, of the stages 1 to 7 and of the last convolution.
    blocks
        Blocks of the stages 2 to 7.
    skip
        Probability that a random architecture leaves out a block that may be; 0.5 in AceNAS.
    dropout
        Probability to drop a feature before the classifier, in training.
    bn_eps, bn_momentum
        Of batch normalisation.

    Raises
    ------
    ValueError
        If there are not 9 widths and 6 numbers of blocks, a size is no positive whole number, or is
        absurd, or `skip` is not in (0, 1).

    .. note:: This is not NNI's class of the same name, which chooses the depth of each stage, so
       that a block cannot be left out on its own, and with other probabilities; whose super-net
       loses the initial weights and the epsilon of batch normalisation, and cannot be frozen.
       Here layers are plain. Networks have the parameters of NNI's, in the same order.

    .. note:: AceNAS states 2.58e17 architectures, which is 6^5 x 7^16.

    Examples
    --------
    >>> from nni_rankreg.space import decode_proxyless
    >>> space = ProxylessNAS()
    >>> space.cardinality() == 6 ** 6 * 7 ** 15
    True
    >>> space.cost(decode_proxyless([0, 1, 0, 6, 6, 2, 0, 1, 1, 5, 1, 1, 1,
    ...                              4, 1, 1, 1, 5, 5, 2, 2, 5]))    # ProxylessNAS-mobile
    Cost(params=4080512, macs=320427584)
    """

    def __init__(self, num_labels: int = 1000, widths: Sequence[int] = WIDTHS,
                 blocks: Sequence[int] = BLOCKS, skip: float = 0.5, dropout: float = 0.,
                 bn_eps: float = 1e-3, bn_momentum: float = 0.1):
        super().__init__()
        check_stages(widths, blocks)
        check_sizes(num_labels=num_labels)
        if not 0 < skip < 1:
            raise ValueError(f'Expected 0 < skip < 1, got {brief(skip)}.')
        self.num_labels, self.widths, self.counts = num_labels, tuple(widths), tuple(blocks)
        norm: dict[str, Any] = {'eps': bn_eps, 'momentum': bn_momentum}
        self.stem = _convolution(3, widths[0], 3, 2, **norm)
        self.first = nn.Sequential(
            _convolution(widths[0], widths[0], 3, groups=widths[0], **norm),
            _convolution(widths[0], widths[1], 1, activation=False, **norm))
        self.blocks = nn.Sequential(*(_choice(position, skip, norm)
                                      for position in block_positions(widths, blocks)))
        self.head = _convolution(widths[7], widths[8], 1, **norm)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(widths[8], num_labels)
        for module in self.modules():
            _initialise(module)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, shape (N, num_labels), of images, shape (N, 3, H, W)."""
        x = self.head(self.blocks(self.first(self.stem(x))))
        return self.classifier(self.dropout(x.mean((2, 3))))

    @classmethod
    def extra_oneshot_hooks(cls, strategy: Any) -> list[Callable[..., Any]]:
        """Return what keeps the probability to skip in a super-net; NNI's strategies ask."""
        return [keep_probabilities] if isinstance(strategy, RandomOneShot) else []

    def cardinality(self) -> int:
        """Return the exact number of architectures."""
        return math.prod(len(OPERATIONS) + position.skippable
                         for position in block_positions(self.widths, self.counts))

    def cost(self, sample: Sample, pixels: int = 224) -> Cost:
        """Return parameters and multiply-accumulates of an architecture, without building it.

        Parameters
        ----------
        sample
            The architecture.
        pixels
            Side of the images.
        """
        stem, first, *widths = self.widths
        side = _halved(pixels)
        layers = [Convolution(3, stem, 3, side), Convolution(stem, stem, 3, side, stem),
                  Convolution(stem, first, 1, side)]
        for position in block_positions(self.widths, self.counts):
            if sample[position.label] != SKIP:
                kernel, expansion = OPERATIONS[sample[position.label]]
                hidden = position.inputs * expansion
                layers.append(Convolution(position.inputs, hidden, 1, side))
                side = side if position.stride == 1 else _halved(side)
                layers += [Convolution(hidden, hidden, kernel, side, hidden),
                           Convolution(hidden, position.outputs, 1, side)]
        layers.append(Convolution(widths[-2], widths[-1], 1, side))
        return total_cost(layers, widths[-1], self.num_labels)


class _InvertedResidual(nn.Sequential):
    """Widen, convolve each channel, narrow; the input is added where it has the same shape."""

    def __init__(self, inputs: int, outputs: int, stride: int, kernel: int, expansion: int,
                 norm: dict[str, Any]):
        hidden = inputs * expansion
        super().__init__(_convolution(inputs, hidden, 1, **norm),
                         _convolution(hidden, hidden, kernel, stride, groups=hidden, **norm),
                         _convolution(hidden, outputs, 1, activation=False, **norm))
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Return the output, shape (N, outputs, H / stride, W / stride)."""
        return x + super().forward(x) if self.residual else super().forward(x)


def _choice(position: Position, skip: float, norm: dict[str, Any]) -> LayerChoice:
    label, inputs, outputs, stride, skippable = position
    candidates: dict[str, nn.Module] = {
        name: _InvertedResidual(inputs, outputs, stride, kernel, expansion, norm)
        for name, (kernel, expansion) in OPERATIONS.items()}
    if not skippable:
        return LayerChoice(candidates, label=label)
    weights = [(1 - skip) / len(candidates)] * len(candidates) + [skip]
    return LayerChoice({**candidates, SKIP: nn.Identity()}, weights=weights, label=label)


def _convolution(inputs: int, outputs: int, kernel: int, stride: int = 1, *, groups: int = 1,
                 activation: bool = True, **norm: Any) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs, **norm)]
    return nn.Sequential(*layers, *([nn.ReLU6(inplace=True)] if activation else []))


def _initialise(module: nn.Module) -> None:
    """Give a layer the initial weights of AceNAS' code: He by the outputs, small classifier."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode='fan_out', nonlinearity='relu')
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 0., 0.01)
        nn.init.zeros_(module.bias)


def _halved(side: int) -> int:
    return (side + 1) // 2
