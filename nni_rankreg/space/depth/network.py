"""Parts of a monocular depth network: backbone, searched fusion blocks, ways to upsample, head."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import torch
from nni.mutable import label_scope
from nni.nas.hub.pytorch.nasbench201 import OPS_WITH_STRIDE
from nni.nas.nn.pytorch import LayerChoice, MutableModule
from torch import Tensor, nn
from torchvision.models import get_model

__all__ = ['EDGES', 'OPERATIONS', 'UPSAMPLERS', 'Backbone', 'FusionBlock', 'depth_head']

EDGES = ((0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""Edges (source, target) of a fusion block; 0: block before, 1: backbone, 3: output."""

OPERATIONS = ('none', 'skip_connect', 'conv_1x1', 'conv_3x3', 'avg_pool_3x3')
"""Choices of an edge; convolutions are ReLU, convolution, batch normalisation."""


def _pixel_shuffle(channels: int) -> nn.Module:
    return nn.Sequential(nn.ReLU(), nn.Conv2d(channels, 4 * channels, 1, bias=False),
                         nn.BatchNorm2d(4 * channels), nn.PixelShuffle(2))


UPSAMPLERS: dict[str, Callable[[int], nn.Module]] = {
    'bilinear': lambda channels: nn.Upsample(scale_factor=2, mode='bilinear'),
    'bicubic': lambda channels: nn.Upsample(scale_factor=2, mode='bicubic'),
    'transposed_conv': lambda channels: nn.ConvTranspose2d(channels, channels, 4, 2, 1),
    'pixel_shuffle': _pixel_shuffle,
}
"""Choices of the upsampling by two: name -> layer for a number of channels."""

# The layers of a torchvision network after which features are taken, at 1/4 to 1/32.
_STAGES = (('layer1', 'layer2', 'layer3', 'layer4'),      # ResNet, ResNeXt, Wide ResNet
           ('maxpool', 'stage2', 'stage3', 'stage4'))     # ShuffleNetV2


class Backbone(nn.Module):
    """A classifier of torchvision up to its last stage.

    Parameters
    ----------
    name
        A network of torchvision's ResNet or ShuffleNetV2 family.
    weights
        Name of its weights as of torchvision, which downloads them once; None draws new ones.

    Attributes
    ----------
    channels
        Of the four feature maps.

    Raises
    ------
    ValueError
        If the name is that of no such network.
    """

    def __init__(self, name: str, weights: str | None = None):
        super().__init__()
        layers = dict(get_model(name, weights=weights).named_children())
        ends = next((ends for ends in _STAGES if set(ends) <= set(layers)), None)
        if ends is None:
            raise ValueError('Expected as backbone a network of the ResNet or ShuffleNetV2 family '
                             f'of torchvision, such as resnet50 or shufflenet_v2_x0_5, got {name}.')
        self.stages = nn.ModuleList()
        stage: list[nn.Module] = []
        for layer, module in layers.items():   # both families run their layers in this order
            stage.append(module)
            if layer in ends:
                self.stages.append(nn.Sequential(*stage))
                stage = []
        with torch.no_grad():
            features = self.eval()(torch.zeros(1, 3, 32, 32))
        self.train()
        self.channels = [feature.size(1) for feature in features]

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return features at 1/4, 1/8, 1/16 and 1/32 of the resolution."""
        features = [images]
        for stage in self.stages:
            features.append(stage(features[-1]))
        return features[1:]


class FusionBlock(MutableModule):
    """Merge the block before with a feature map of the backbone, and double the resolution.

    Two inputs (0: block before, 1: backbone) and two nodes (2, 3), each of which sums its edges
    from all earlier nodes; node 3 is the output.

    Parameters
    ----------
    channels
        Of the inputs and the output.
    label
        Prefix of the labels; blocks of one label have one architecture.
    search_upsampling
        Whether the upsampling is a choice; it is bilinear otherwise.
    """

    def __init__(self, channels: int, label: str, search_upsampling: bool):
        super().__init__()
        self.edges = nn.ModuleDict()
        with label_scope(label):
            for source, target in EDGES:
                operations = OrderedDict((name, OPS_WITH_STRIDE[name](channels, channels, 1))
                                         for name in OPERATIONS)
                self.edges[f'{source}_{target}'] = LayerChoice(operations,
                                                               label=f'{source}_{target}')
            self.up: nn.Module = (
                LayerChoice(OrderedDict((name, make(channels))
                                        for name, make in UPSAMPLERS.items()), label='up')
                if search_upsampling
                else nn.Upsample(scale_factor=2, mode='bilinear', align_corners=True))

    def forward(self, before: Tensor, feature: Tensor) -> Tensor:
        """Return the output at twice the resolution of the two inputs."""
        nodes = [before, feature]
        for node in (2, 3):
            nodes.append(torch.stack([self.edges[f'{source}_{target}'](nodes[source])
                                      for source, target in EDGES if target == node]).sum(0))
        return self.up(nodes[3])


def depth_head(channels: int, non_negative: bool) -> nn.Sequential:
    """Return the layers from the last fusion block, at 1/2, to one value for each pixel.

    Parameters
    ----------
    channels
        Of the fusion blocks, a multiple of 8; 256 gives MiDaS's layers of 128 and 32 channels.
    non_negative
        Whether a ReLU ends it.
    """
    return nn.Sequential(
        nn.Conv2d(channels, channels // 2, 3, padding=1),
        nn.Upsample(scale_factor=2, mode='bilinear', align_corners=False),
        nn.Conv2d(channels // 2, channels // 8, 3, padding=1), nn.ReLU(),
        nn.Conv2d(channels // 8, 1, 1), nn.ReLU() if non_negative else nn.Identity())
