"""The ResNet48 space of RD-NAS: residual networks of variable depth and width."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from nni.mutable import Categorical, MutableExpression
from nni.nas.nn.pytorch import ModelSpace, MutableBatchNorm2d, MutableConv2d, MutableLinear, Repeat
from torch import Tensor, nn

from ..._util.error import brief
from ..._util.size import COUNT, check_sizes
from ...typing import Sample
from ..cost import Convolution, Cost, total_cost
from .code import DEPTHS, RATIOS

__all__ = ['ResNet48']


class ResNet48(ModelSpace):
    """Residual networks of four stages whose depths and widths are chosen.

    Labels of stage 1, and likewise of the others: ``s1_depth``, the number of its blocks;
    ``s1_width``, the share of the channels in the output of all its blocks (and of the stem);
    ``s1_i0`` ..., the share in the middle of each block. Channels are rounded to a multiple of 8.
    An architecture uses the first channels of each layer of a super-net.

    Source: CVPR 2022 NAS challenge, track 1; Dong et al., "RD-NAS", 2023.

    Parameters
    ----------
    num_labels
        Number of classes.
    channels
        Of the four stages, at the ratio 1; the stem has those of the first.
    depths
        Least and greatest number of blocks of each stage.
    ratios
        To choose from.

    Raises
    ------
    ValueError
        If there are not four stages, a size is no positive whole number, or is absurd, or a ratio
        is not positive.

    .. note:: Choices of absent blocks make no difference, so that several samples describe one
       network; ``decode_resnet48(encode_resnet48(sample))`` is the same for all of them.

    .. note:: The published super-net orders the channels of pretrained weights by their norm
       before it is trained; here training begins at random weights.

    Examples
    --------
    >>> from nni_rankreg.space import decode_resnet48
    >>> space = ResNet48()
    >>> f'{space.cardinality():.4g}', f'{space.cardinality(one_ratio=True):.4g}'
    ('1.216e+23', '5.064e+19')
    >>> space.cost(decode_resnet48('155851' + '1' * 46))
    Cost(params=34043688, macs=5282238464)
    """

    def __init__(self, num_labels: int = 1000,
                 channels: Sequence[int] = (64, 128, 256, 512),
                 depths: Sequence[tuple[int, int]] = DEPTHS, ratios: Sequence[float] = RATIOS):
        super().__init__()
        check_sizes(num_labels=num_labels, channels=channels)
        if len(channels) != 4 or len(depths) != 4 or not all(
                isinstance(pair, (tuple, list)) and len(pair) == 2 for pair in depths):
            raise ValueError('Expected channels and depths (least, greatest) of four stages, got '
                             f'{brief(channels)} and {brief(depths)}.')
        for pair in depths:
            check_sizes(COUNT, depths=pair)
        if any(low > high for low, high in depths):
            raise ValueError('Expected the least depth of a stage before the greatest, got '
                             f'{brief(depths)}.')
        if not ratios or not all(0 < ratio < math.inf for ratio in ratios):
            raise ValueError(f'Expected positive numbers as ratios, got {brief(ratios)}.')
        self.num_labels, self.channels = num_labels, tuple(channels)
        self.depths, self.ratios = tuple(map(tuple, depths)), tuple(ratios)
        widths = [_width(channels[stage], Categorical(ratios, label=f's{stage + 1}_width'))
                  for stage in range(4)]
        self.stem = nn.Sequential(*_conv_bn(3, widths[0], 7, 2), nn.ReLU(inplace=True),
                                  nn.MaxPool2d(3, 2, 1))
        self.stages = nn.Sequential(*(self._stage(stage, widths) for stage in range(4)))
        self.classifier = MutableLinear(widths[3], num_labels)

    def _stage(self, stage: int, widths: Sequence[Any]) -> nn.Module:
        def block(index: int) -> nn.Module:
            middle = _width(self.channels[stage],
                            Categorical(self.ratios, label=f's{stage + 1}_i{index}'))
            if stage == 0 or index > 0:
                return _BasicBlock(widths[stage], middle, widths[stage], 1)
            return _BasicBlock(widths[stage - 1], middle, widths[stage], 2)
        low, high = self.depths[stage]
        return Repeat(block, Categorical(range(low, high + 1), label=f's{stage + 1}_depth'))

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, shape (N, num_labels), of images, shape (N, 3, H, W)."""
        return self.classifier(self.stages(self.stem(x)).mean((2, 3)))

    def cardinality(self, one_ratio: bool = False) -> int:
        """Return the exact number of codes, that is of choices that differ in present blocks.

        Parameters
        ----------
        one_ratio
            Count one ratio for each block and none for a stage, as RD-NAS does: 5.06e19.
        """
        ratios = len(self.ratios)
        return math.prod(sum(ratios ** depth for depth in range(low, high + 1))
                         * (1 if one_ratio else ratios) for low, high in self.depths)

    def cost(self, sample: Sample, pixels: int = 224) -> Cost:
        """Return parameters and multiply-accumulates of an architecture, without building it.

        Parameters
        ----------
        sample
            The architecture.
        pixels
            Side of the images.
        """
        width = _width(self.channels[3], sample['s4_width'])
        return total_cost(self._convolutions(sample, pixels), width, self.num_labels)

    def _convolutions(self, sample: Sample, pixels: int) -> Iterator[Convolution]:
        side, inputs = -(-pixels // 2), _width(self.channels[0], sample['s1_width'])
        yield Convolution(3, inputs, 7, side)
        side = -(-side // 2)
        for stage, channels in enumerate(self.channels, start=1):
            outputs = _width(channels, sample[f's{stage}_width'])
            if stage > 1:
                side = -(-side // 2)
                yield Convolution(inputs, outputs, 1, side)
            for index in range(sample[f's{stage}_depth']):
                middle = _width(channels, sample[f's{stage}_i{index}'])
                yield Convolution(inputs, middle, 3, side)
                yield Convolution(middle, outputs, 3, side)
                inputs = outputs


class _BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut, which is a convolution where the stride is not 1."""

    def __init__(self, inputs: Any, middle: Any, outputs: Any, stride: int):
        super().__init__()
        self.layers = nn.Sequential(*_conv_bn(inputs, middle, 3, stride), nn.ReLU(inplace=True),
                                    *_conv_bn(middle, outputs, 3, 1))
        self.shortcut = nn.Sequential(*(_conv_bn(inputs, outputs, 1, stride) if stride > 1
                                        else []))
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return the output, shape (N, outputs, H / stride, W / stride)."""
        return self.activation(self.layers(x) + self.shortcut(x))


def _conv_bn(inputs: Any, outputs: Any, kernel: int, stride: int) -> tuple[nn.Module, nn.Module]:
    return (MutableConv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
            MutableBatchNorm2d(outputs))


def _width(channels: int, ratio: Any) -> Any:
    """Return the multiple of 8 that is nearest to a share of the channels, of a choice as well."""
    return MutableExpression.max(8, MutableExpression.to_int(channels * ratio / 8 + 0.5) * 8)
