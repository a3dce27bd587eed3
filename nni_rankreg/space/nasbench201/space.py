"""Networks of NAS-Bench-201 as NNI's model space."""

from __future__ import annotations

from nni.nas.hub.pytorch.modules import NasBench201Cell
from nni.nas.hub.pytorch.nasbench201 import ReLUConvBN, ResNetBasicblock, Zero
from nni.nas.nn.pytorch import ModelSpace
from torch import Tensor, nn

from ..._util.size import COUNT, check_sizes
from ..average_pool import AveragePool3x3

__all__ = ['NasBench201']

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

    Raises
    ------
    ValueError
        If a size is no positive whole number, or is absurd.

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
        check_sizes(stem_out_channels=stem_out_channels, num_labels=num_labels)
        check_sizes(COUNT, num_modules_per_stack=num_modules_per_stack)
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
