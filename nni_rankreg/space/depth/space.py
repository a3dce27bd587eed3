"""Monocular depth estimation: a MiDaS-like network with searched fusion blocks."""

from __future__ import annotations

from nni.nas.nn.pytorch import ModelSpace
from torch import Tensor, nn

from ..._util.size import check_sizes
from .code import BLOCKS
from .network import Backbone, FusionBlock, depth_head

__all__ = ['DepthDecoder']


class DepthDecoder(ModelSpace):
    """Networks that predict one value, a disparity, for each pixel of an image.

    A backbone gives features at 1/32 to 1/4 of the resolution; four fusion blocks merge them from
    coarse to fine. A block has two input nodes (the block before, the features) and two feature
    nodes, which sum their edges from all nodes before; each of the five edges has one of five
    operations. Labels are ``fusion/{source}_{target}`` and ``fusion/up``, or ``fusion4/...`` to
    ``fusion1/...`` for blocks of their own. The number of architectures:

    =====================  ======================  =============================================
    space of the paper     sync                    not sync
    =====================  ======================  =============================================
    V1                     5^5 = 3,125             3,125^4 = 95,367,431,640,625
    V2, search_upsampling  4 * 5^5 = 12,500        12,500^4 = 24,414,062,500,000,000
    =====================  ======================  =============================================

    Source: Yu, Ranftl and Salzmann, "Landmark Regularization", CVPR 2021, Section 5.3, after
    Ranftl et al., "Towards Robust Monocular Depth Estimation", TPAMI 2020.

    Parameters
    ----------
    search_upsampling
        Whether each block chooses its upsampling, V2; bilinear, with aligned corners, in V1.
    sync
        Whether all four blocks have the same architecture (the weights are their own).
    backbone
        A network of torchvision's ResNet or ShuffleNetV2 family, kept as it is.
    weights
        Name of its weights as of torchvision, such as ``DEFAULT``, which are downloaded once; None
        draws new ones.
    channels
        Of the fusion blocks, a multiple of 8.
    non_negative
        Whether a ReLU ends the network, as published. A loss that ignores the shift, such as
        `ScaleShiftInvariantLoss`, does not need it, and an output that is zero everywhere learns
        nothing any more.

    Raises
    ------
    ValueError
        If the backbone or the number of channels is none of those; in use, if the height or the
        width of the images is no multiple of 32.

    .. note:: The published code (github.com/kcyu2014/nas-landmarkreg, commit a00c361) gives zeros
       to the first block in place of a block before, so that two of its edges are dead. Here the
       features take its place, as in the paper.

    Examples
    --------
    >>> import torch
    >>> space = DepthDecoder(backbone='shufflenet_v2_x0_5', channels=8)
    >>> sorted(space.simplify())
    ['fusion/0_2', 'fusion/0_3', 'fusion/1_2', 'fusion/1_3', 'fusion/2_3']
    >>> space(torch.zeros(2, 3, 32, 64)).shape
    torch.Size([2, 32, 64])
    """

    def __init__(self, search_upsampling: bool = False, sync: bool = True, *,
                 backbone: str = 'resnext101_32x8d', weights: str | None = None,
                 channels: int = 256, non_negative: bool = True):
        super().__init__()
        check_sizes(channels=channels)
        if channels % 8:
            raise ValueError(f'Expected a multiple of 8 as channels, got {channels}.')
        self.backbone = Backbone(backbone, weights)
        self.reduce = nn.ModuleList(nn.Conv2d(source, channels, 3, padding=1, bias=False)
                                    for source in self.backbone.channels)
        self.fusion = nn.ModuleList(
            FusionBlock(channels, 'fusion' if sync else label, search_upsampling)
            for label in BLOCKS)
        self.head = depth_head(channels, non_negative)

    def forward(self, images: Tensor) -> Tensor:
        """Return disparities (B, H, W) of images (B, 3, H, W)."""
        if any(size % 32 for size in images.shape[-2:]):
            raise ValueError('Expected images whose height and width are multiples of 32, got '
                             f'{tuple(images.shape[-2:])}.')
        features = [reduce(feature) for reduce, feature
                    in zip(self.reduce, self.backbone(images))]
        merged = features[-1]
        for block, feature in zip(self.fusion, reversed(features)):
            merged = block(merged, feature)
        return self.head(merged).squeeze(1)
