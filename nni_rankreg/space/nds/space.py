"""The cell spaces of DARTS, ENAS, PNAS, AmoebaNet and NASNet as in the NDS benchmark.

Source: Radosavovic et al., "On Network Design Spaces for Visual Recognition", ICCV 2019.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Literal

from nni.mutable import Categorical, Mutable
from nni.nas.hub.pytorch.nasnet import NDS, FactorizedReduce, NDSStage, ReLUConvBN
from nni.nas.nn.pytorch import MutableLinear
from nni.nas.space import model_context
from nni.nas.strategy import RandomOneShot
from torch import nn

from ..._util.size import COUNT, check_sizes
from ...typing import Sample
from .supernet import (
    FirstPreprocessor,
    LooseEndCell,
    PathSamplingFirstPreprocessor,
    PathSamplingStage,
    keep_fixed,
    mix_depths,
)

__all__ = ['NDSSpace', 'DARTSSpace', 'ENAS', 'PNAS', 'AmoebaNet', 'NASNet']

_Sizes = int | tuple[int, ...]
_WIDTHS, _DEPTHS = (16, 24, 32), (4, 8, 12, 16, 20)


class NDSSpace(NDS):
    """Networks of two cells, normal and reduction, in three stages.

    Each node of a cell adds two operations, whose inputs are earlier nodes or one of the two
    cells before, also both the same. Parameters, labels and choices are those of NNI's class of
    the same name, except where said; the benchmark's variant of fixed width and depth has
    ``width=16, num_cells=20``.

    Parameters
    ----------
    width
        Channels of the first stage, or a tuple to choose from; label ``width``.
    num_cells
        Number of cells, at least 3, or a tuple to choose from; label ``depth``.
    dataset
        ``cifar`` or ``imagenet``, which begins with a reduction to an eighth of the resolution.
    auxiliary_loss
        Whether the network of a trial has a second classifier in training.
    drop_path_prob
        Probability to drop the path of an operation in training.
    num_labels
        Number of classes; None is 10 or, for ImageNet, 1,000.

    Raises
    ------
    ValueError
        If a number of cells is below 3, or a size is no positive whole number, or is absurd.
    """

    operations: tuple[str, ...]
    """Choices of each operation."""
    nodes: ClassVar[int] = 5
    """Nodes of a cell."""
    merge: ClassVar[Literal['all', 'loose_end']] = 'loose_end'
    """Whether a cell merges all nodes or those that are no other node's input."""

    def __init__(self, width: _Sizes = _WIDTHS, num_cells: _Sizes = _DEPTHS,
                 dataset: str = 'cifar', auxiliary_loss: bool = False,
                 drop_path_prob: float = 0., num_labels: int | None = None):
        check_sizes(width=width, num_labels=10 if num_labels is None else num_labels)
        check_sizes(COUNT, num_cells=num_cells)
        if min(num_cells if isinstance(num_cells, Iterable) else [num_cells]) < 3:
            raise ValueError('Expected at least 3 cells, one for each stage, got num_cells='
                             f'{num_cells}.')
        super().__init__(list(self.operations), self.merge, self.nodes, width, num_cells, dataset,
                         auxiliary_loss, drop_path_prob)
        if num_labels is not None:
            self.num_labels = num_labels
            self.classifier: Any = _relabelled(self.classifier, num_labels)
            if auxiliary_loss:
                self.auxiliary_head.classifier = _relabelled(self.auxiliary_head.classifier,
                                                             num_labels)
        for index in (1, 2):
            channels = Categorical(width, label='width') if isinstance(width, tuple) else width
            _allow_one_cell(self.stages[index - 1], self.stages[index], channels * 2 ** index)

    def freeze(self, sample: Sample) -> nn.Module:
        """Return the network of an architecture with new weights."""
        with model_context(sample):
            return type(self)(*self.trace_args, **self.trace_kwargs)

    @classmethod
    def extra_oneshot_hooks(cls, strategy: Any) -> list[Callable[..., Any]]:
        """Return what turns the space into a super-net; NNI's strategies ask for it."""
        if isinstance(strategy, RandomOneShot):
            return [PathSamplingStage.mutate, PathSamplingFirstPreprocessor.mutate,
                    LooseEndCell.mutate, keep_fixed]
        return [mix_depths, *super().extra_oneshot_hooks(strategy)]


def _relabelled(linear: Any, num_labels: int) -> nn.Module:
    """Return a new classifier; that of a space may have a choice of features."""
    features = getattr(linear, 'trace_kwargs', {}).get('in_features', linear.in_features)
    return MutableLinear(features, num_labels)


def _allow_one_cell(before: Any, stage: Any, channels: Any) -> None:
    """Prepare a stage for one cell in the stage before, if that is one of several choices."""
    if not (isinstance(before, NDSStage) and isinstance(before.depth_choice, Mutable)
            and before.min_depth == 1 < before.max_depth):
        return
    source = before.estimated_out_channels_prev
    short = (FactorizedReduce(source, channels) if before.downsampling
             else ReLUConvBN(source, channels, 1, 1, 0))
    cell = stage.blocks[0]
    cell.preprocessor = FirstPreprocessor(cell.preprocessor, short, before.depth_choice)


class DARTSSpace(NDSSpace):
    """Space of DARTS: 8 operations, 4 nodes, all of them merged.

    Source: Liu et al., "DARTS: Differentiable Architecture Search", ICLR 2019.

    Parameters
    ----------
    width, num_cells, dataset, auxiliary_loss, drop_path_prob, num_labels
        As of `NDSSpace`.
    none
        Whether ``none`` is an operation, as in the benchmark. NNI's class lacks it, as NNI's
        differentiable strategies add it by themselves.
    """

    operations: tuple[str, ...] = (
        'max_pool_3x3', 'avg_pool_3x3', 'skip_connect', 'sep_conv_3x3', 'sep_conv_5x5',
        'dil_conv_3x3', 'dil_conv_5x5', 'none')
    nodes = 4
    merge = 'all'

    def __init__(self, width: _Sizes = _WIDTHS, num_cells: _Sizes = _DEPTHS,
                 dataset: str = 'cifar', auxiliary_loss: bool = False,
                 drop_path_prob: float = 0., num_labels: int | None = None,
                 none: bool = True):
        if not none:
            self.operations = tuple(name for name in self.operations if name != 'none')
        super().__init__(width, num_cells, dataset, auxiliary_loss, drop_path_prob, num_labels)


class ENAS(NDSSpace):
    """Space of ENAS: 5 operations, 5 nodes, loose ends merged.

    Source: Pham et al., "Efficient Neural Architecture Search via Parameter Sharing", ICML 2018.

    Parameters
    ----------
    width, num_cells, dataset, auxiliary_loss, drop_path_prob, num_labels
        As of `NDSSpace`.
    """

    operations = (
        'skip_connect', 'sep_conv_3x3', 'sep_conv_5x5', 'avg_pool_3x3', 'max_pool_3x3')


class PNAS(NDSSpace):
    """Space of PNAS: 8 operations, 5 nodes, all of them merged.

    Source: Liu et al., "Progressive Neural Architecture Search", ECCV 2018.

    Parameters
    ----------
    width, num_cells, dataset, auxiliary_loss, drop_path_prob, num_labels
        As of `NDSSpace`.
    """

    operations = (
        'sep_conv_3x3', 'sep_conv_5x5', 'sep_conv_7x7', 'conv_7x1_1x7', 'skip_connect',
        'avg_pool_3x3', 'max_pool_3x3', 'dil_conv_3x3')
    merge = 'all'


class AmoebaNet(NDSSpace):
    """Space of AmoebaNet: 8 operations, 5 nodes, loose ends merged.

    Source: Real et al., "Regularized Evolution for Image Classifier Architecture Search", AAAI
    2019.

    Parameters
    ----------
    width, num_cells, dataset, auxiliary_loss, drop_path_prob, num_labels
        As of `NDSSpace`.
    """

    operations = (
        'skip_connect', 'sep_conv_3x3', 'sep_conv_5x5', 'sep_conv_7x7', 'avg_pool_3x3',
        'max_pool_3x3', 'dil_sep_conv_3x3', 'conv_7x1_1x7')


class NASNet(NDSSpace):
    """Space of NASNet: 13 operations, 5 nodes, loose ends merged.

    Source: Zoph et al., "Learning Transferable Architectures for Scalable Image Recognition", CVPR
    2018.

    Parameters
    ----------
    width, num_cells, dataset, auxiliary_loss, drop_path_prob, num_labels
        As of `NDSSpace`.
    """

    operations = (
        'skip_connect', 'conv_3x1_1x3', 'conv_7x1_1x7', 'dil_conv_3x3', 'avg_pool_3x3',
        'max_pool_3x3', 'max_pool_5x5', 'max_pool_7x7', 'conv_1x1', 'conv_3x3', 'sep_conv_3x3',
        'sep_conv_5x5', 'sep_conv_7x7')
