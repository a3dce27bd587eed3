"""The cell space of NAS-Bench-201: NNI's model space and the benchmark's architecture string."""

from __future__ import annotations

import re

from nni.nas.hub.pytorch.modules import NasBench201Cell
from nni.nas.hub.pytorch.nasbench201 import ReLUConvBN, ResNetBasicblock, Zero
from nni.nas.nn.pytorch import ModelSpace
from torch import Tensor, nn

from ..typing import Sample
from ._average_pool import AveragePool3x3
from ._codec import codec

__all__ = ['NasBench201', 'encode_nasbench201', 'decode_nasbench201', 'CHOICES', 'EDGES']

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""The six edges (source, target) of the cell, in the order of the architecture string."""

CHOICES = {
    'none': 'none',
    'skip_connect': 'skip_connect',
    'conv_1x1': 'nor_conv_1x1',
    'conv_3x3': 'nor_conv_3x3',
    'avg_pool_3x3': 'avg_pool_3x3',
}
"""NNI's name of each operation -> the name in the architecture string."""


_FACTORIES = {
    'none': lambda inputs, outputs: Zero(inputs, outputs, 1),
    'skip_connect': lambda inputs, outputs: nn.Identity(),
    'conv_1x1': lambda inputs, outputs: ReLUConvBN(inputs, outputs, 1, 1, 0, 1),
    'conv_3x3': lambda inputs, outputs: ReLUConvBN(inputs, outputs, 3, 1, 1, 1),
    'avg_pool_3x3': lambda inputs, outputs: AveragePool3x3(),
}


class _Cell(NasBench201Cell):
    """NNI's cell; NNI stacks the inputs of a node to sum them, which copies them all."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the last node, (B, C, H, W) as the inputs."""
        nodes = [inputs]
        for edges in self.layers:
            first, *others = [edge(node) for edge, node in zip(edges, nodes)]
            for other in others:
                first = first + other
            nodes.append(first)
        return nodes[-1]


class NasBench201(ModelSpace):
    """Networks of NAS-Bench-201, with or without the operation ``none``.

    The cell has six edges with one of five operations each, 5^6 = 15,625 architectures, or one
    of four, 4^6 = 4,096. Labels are ``cell/{source}_{target}``. Networks have the benchmark's
    number of parameters and, in their convolutions and classifier, of multiply-adds.

    Source: Dong and Yang, "NAS-Bench-201", ICLR 2020.

    Parameters
    ----------
    stem_out_channels
        Channels of the first convolution; they double twice.
    num_modules_per_stack
        Number of cells in each of the three stacks.
    num_labels
        Number of classes.
    none
        Whether an edge may have the operation ``none``.

    .. note:: Labels, choices, names of parameters and, under a seed, initial weights are those of
       `nni.nas.hub.pytorch.NasBench201`; a training step on a CPU takes two thirds of the time.

    Examples
    --------
    >>> NasBench201(4, 1, none=False).simplify()['cell/0_1'].values
    ['skip_connect', 'conv_1x1', 'conv_3x3', 'avg_pool_3x3']
    """

    def __init__(self, stem_out_channels: int = 16, num_modules_per_stack: int = 5,
                 num_labels: int = 10, none: bool = True):
        super().__init__()
        operations = {name: make for name, make in _FACTORIES.items() if none or name != 'none'}
        channels = stem_out_channels
        self.stem = nn.Sequential(nn.Conv2d(3, channels, 3, padding=1, bias=False),
                                  nn.BatchNorm2d(channels))
        self.cells = nn.ModuleList()
        for stack in range(3):
            if stack:
                self.cells.append(ResNetBasicblock(channels, 2 * channels, 2))
                channels *= 2
            self.cells.extend(_Cell(operations, channels, channels, label='cell')
                              for _ in range(num_modules_per_stack))
        self.lastact = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
        self.classifier = nn.Linear(channels, num_labels)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits, shape (N, num_labels), of images, shape (N, 3, H, W)."""
        features = self.stem(inputs)
        for cell in self.cells:
            features = cell(features)
        return self.classifier(self.lastact(features).mean((2, 3)))


_OPERATIONS = {name: choice for choice, name in CHOICES.items()}
_PATTERN = re.compile(r'\|\+\|'.join(
    r'\|'.join(rf'(\w+)~{source}' for source in range(target)) for target in (1, 2, 3)
).join((r'\|', r'\|')))


@codec
def encode_nasbench201(sample: Sample) -> str:
    """Return the NAS-Bench-201 string of an architecture.

    Parameters
    ----------
    sample
        Choices of the six edges, as NNI's `NasBench201` labels them: ``cell/{source}_{target}``.

    Returns
    -------
    The string ``|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`` of Dong and Yang, "NAS-Bench-201", 2020.

    Raises
    ------
    ValueError
        If the labels or the choices are not those of the space.

    Examples
    --------
    >>> sample = {f'cell/{source}_{target}': 'skip_connect' for source, target in EDGES}
    >>> encode_nasbench201(sample)
    '|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|'
    """
    labels = [f'cell/{source}_{target}' for source, target in EDGES]
    if set(sample) != set(labels) or not all(sample[label] in CHOICES for label in labels):
        raise ValueError(f'Expected the labels {labels} with choices among {list(CHOICES)}, '
                         f'got {sample!r}.')
    names = [f'{CHOICES[sample[label]]}~{source}' for label, (source, _) in zip(labels, EDGES)]
    return '+'.join(f'|{"|".join(group)}|' for group in (names[:1], names[1:3], names[3:]))


@codec
def decode_nasbench201(string: str) -> Sample:
    """Return the architecture that a NAS-Bench-201 string describes.

    Parameters
    ----------
    string
        ``|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`` with the benchmark's names of operations.

    Returns
    -------
    Choices of the six edges, as NNI's `NasBench201` labels them.

    Raises
    ------
    ValueError
        If the string does not describe an architecture of the space.

    Examples
    --------
    >>> decode_nasbench201('|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|')['cell/0_3']
    'conv_3x3'
    """
    match = _PATTERN.fullmatch(string)
    if match is None or not all(name in _OPERATIONS for name in match.groups()):
        raise ValueError('Expected a string such as |op~0|+|op~0|op~1|+|op~0|op~1|op~2| with '
                         f'operations among {list(_OPERATIONS)}, got {string!r}.')
    return {f'cell/{source}_{target}': _OPERATIONS[name]
            for (source, target), name in zip(EDGES, match.groups())}
