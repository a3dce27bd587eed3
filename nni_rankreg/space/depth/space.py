"""Monocular depth estimation: a MiDaS-like network with searched fusion blocks, and its code."""

from __future__ import annotations

import re

from nni.nas.nn.pytorch import ModelSpace
from torch import Tensor, nn

from ...typing import Sample
from ..codec import codec
from .network import EDGES, OPERATIONS, UPSAMPLERS, Backbone, FusionBlock, depth_head

__all__ = ['DepthDecoder', 'encode_depth', 'decode_depth']

_BLOCKS = ('fusion4', 'fusion3', 'fusion2', 'fusion1')  # in the order of the data, from 1/32 on


class DepthDecoder(ModelSpace):
    """Networks that predict one value, a disparity, for each pixel of an image.

    A backbone gives features at 1/32 to 1/4 of the resolution; four fusion blocks merge them from
    coarse to fine. A block has two input nodes (the block before, the features) and two feature
    nodes, which sum their edges from all nodes before; each of the five edges has one of five
    operations. Labels are ``fusion/{source}_{target}`` and ``fusion/up``, or ``fusion4/...`` to
    ``fusion1/...`` for blocks of their own. The number of architectures:

    ====================  ======================  =============================================
    space of the paper    sync                    not sync
    ====================  ======================  =============================================
    V1                    5^5 = 3,125             3,125^4 = 95,367,431,640,625
    V2, search_upsampling 4 * 5^5 = 12,500        12,500^4 = 24,414,062,500,000,000
    ====================  ======================  =============================================

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
        if channels < 8 or channels % 8:
            raise ValueError(f'Expected a multiple of 8 as channels, got {channels}.')
        self.backbone = Backbone(backbone, weights)
        self.reduce = nn.ModuleList(nn.Conv2d(source, channels, 3, padding=1, bias=False)
                                    for source in self.backbone.channels)
        self.fusion = nn.ModuleList(
            FusionBlock(channels, 'fusion' if sync else label, search_upsampling)
            for label in _BLOCKS)
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


_EDGE = r'(\w+)~{}'
_PATTERN = re.compile(r'\|{}\|{}\|\+\|{}\|{}\|{}\|(?:\^(\w+))?'.format(
    *(_EDGE.format(source) for source, _ in EDGES)))


@codec
def encode_depth(sample: Sample) -> str:
    """Return a readable code of an architecture of `DepthDecoder`.

    Parameters
    ----------
    sample
        Choices with the labels of the space, of any of its four forms.

    Returns
    -------
    ``|op~0|op~1|+|op~0|op~1|op~2|``, the operations on the edges into nodes 2 and 3 with the
    nodes they come from, followed by ``^upsampling`` in V2; four of them, from coarse to fine and
    joined by `` > ``, where the blocks differ.

    Raises
    ------
    ValueError
        If the labels or the choices are not those of the space.

    Examples
    --------
    >>> sample = {f'fusion/{source}_{target}': 'skip_connect' for source, target in EDGES}
    >>> encode_depth({**sample, 'fusion/up': 'bicubic'})
    '|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|^bicubic'
    """
    blocks = ('fusion',) if any(label.startswith('fusion/') for label in sample) else _BLOCKS
    choices = _choices(blocks, f'{blocks[0]}/up' in sample)
    if set(sample) != set(choices) or not all(
            sample[label] in allowed for label, allowed in choices.items()):
        raise ValueError(f'Expected choices of DepthDecoder, {choices}, got {sample!r}.')
    return ' > '.join(_encode_block(block, sample) for block in blocks)


@codec
def decode_depth(code: str) -> Sample:
    """Return the architecture that a code of `encode_depth` describes.

    Parameters
    ----------
    code
        Of one block, which all four share, or of four.

    Returns
    -------
    Choices with the labels of the form of `DepthDecoder` that the code has.

    Raises
    ------
    ValueError
        If the code does not describe an architecture of the space.

    Examples
    --------
    >>> decode_depth('|none~0|conv_3x3~1|+|none~0|none~1|skip_connect~2|')['fusion/1_2']
    'conv_3x3'
    """
    parts = code.split(' > ')
    blocks = ('fusion',) if len(parts) == 1 else _BLOCKS
    matches = [_PATTERN.fullmatch(part) for part in parts]
    sample = {label: choice for block, match in zip(blocks, matches) if match is not None
              for label, choice in zip(_labels(block), match.groups()) if choice is not None}
    try:
        valid = encode_depth(sample) == code
    except ValueError:
        valid = False
    if not valid:
        raise ValueError('Expected one code or four, joined by " > ", such as |op~0|op~1|+|op~0|'
                         f'op~1|op~2| or with ^up, with op among {OPERATIONS} and up among '
                         f'{tuple(UPSAMPLERS)}, got {code!r}.')
    return sample


def _labels(block: str) -> list[str]:
    return [*(f'{block}/{source}_{target}' for source, target in EDGES), f'{block}/up']


def _choices(blocks: tuple[str, ...], search_upsampling: bool) -> dict[str, tuple[str, ...]]:
    """Return the choices of each label."""
    return {label: choices for block in blocks for label, choices in zip(
        _labels(block), [OPERATIONS] * len(EDGES) + [tuple(UPSAMPLERS)] * search_upsampling)}


def _encode_block(block: str, sample: Sample) -> str:
    *labels, up = _labels(block)
    names = [f'{sample[label]}~{source}' for label, (source, _) in zip(labels, EDGES)]
    upsampling = f'^{sample[up]}' if up in sample else ''
    return f'|{"|".join(names[:2])}|+|{"|".join(names[2:])}|{upsampling}'
