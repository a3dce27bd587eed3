"""Latency of architectures by published tables and cost models; the user gives their files."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import nni
import numpy as np
import torch
import yaml
from torch import Tensor

from .._util.npz import named_arrays
from ..space.proxyless import OPERATIONS, SKIP, block_positions
from ..typing import Sample
from .between import Between

__all__ = ['AdditiveLatency', 'TunasLatency', 'TableLatency', 'LatencyConstraint']

Costs = Mapping[str, Mapping[Any, float]]


class AdditiveLatency:
    """Latency as a sum over the choices of an architecture; a `Scorer`, the fastest first.

    Parameters
    ----------
    costs
        Label -> choice -> milliseconds.
    base
        Milliseconds of what is fixed.

    Examples
    --------
    >>> model = AdditiveLatency({'op': {'conv': 2., 'skip': 0.}}, base=5.)
    >>> model.latency([{'op': 'conv'}, {'op': 'skip'}])
    tensor([7., 5.], dtype=torch.float64)
    >>> model.bounds
    (5.0, 7.0)
    """

    def __init__(self, costs: Costs, base: float = 0.):
        self.costs, self.base = costs, base

    def latency(self, samples: Sequence[Sample]) -> Tensor:
        """Return milliseconds, shape (N,), float64.

        Raises
        ------
        ValueError
            If the model does not know a choice.
        """
        try:
            return torch.tensor([self.base + sum(costs[sample[label]] for label, costs
                                                 in self.costs.items()) for sample in samples],
                                dtype=torch.float64)
        except KeyError as error:
            raise ValueError('Expected architectures of the space of the latency model, with the '
                             f'labels {list(self.costs)}, got one without {error}.') from None

    def __call__(self, samples: Sequence[Sample]) -> Tensor:
        """Return minus the milliseconds, as higher scores are better."""
        return -self.latency(samples)

    @property
    def bounds(self) -> tuple[float, float]:
        """Milliseconds of the fastest and of the slowest architecture."""
        return (self.base + sum(min(costs.values()) for costs in self.costs.values()),
                self.base + sum(max(costs.values()) for costs in self.costs.values()))


@nni.trace
class TunasLatency(AdditiveLatency):
    """TuNAS' linear model of the latency of `ProxylessNAS` on a Pixel 1.

    Source: Bender et al., "Can weight sharing outperform random architecture search? An
    investigation with TuNAS", CVPR 2020; AceNAS reports latencies by this model. Stage 1 has
    kernel 3 (the model knows others, the space does not).

    Parameters
    ----------
    file
        NumPy archive of the model ``proxylessnas_search``: ``kernel`` (144 coefficients), ``bias``
        and ``choices`` (of each of the 22 blocks).

    Raises
    ------
    ValueError
        If the file is not of that model.

    Examples
    --------
    >>> # TunasLatency('tunas/proxylessnas_search.npz').latency([sample])
    """

    def __init__(self, file: str | Path):
        model = named_arrays(file, ('kernel', 'choices', 'bias'))
        kernel, choices = model['kernel'].astype(float), model['choices'].tolist()
        base = float(model['bias'].item()) + float(kernel[0])
        positions = list(block_positions())
        if choices != [3, *(6 + one.skippable for one in positions)] or len(kernel) != sum(choices):
            raise ValueError('Expected the model of 22 blocks with 3, 6 or 7 choices and 144 '
                             f'coefficients, got {choices} and {len(kernel)} in {file}.')
        blocks = np.split(kernel, np.cumsum(choices)[:-1])[1:]
        super().__init__({one.label: dict(_tunas_costs(block))
                          for one, block in zip(positions, blocks)}, base)


def _tunas_costs(block: np.ndarray) -> Iterator[tuple[str, float]]:
    for index, name in enumerate(OPERATIONS):  # TuNAS has the expansion in the inner place
        yield name, float(block[2 * (index % 3) + index // 3])
    if len(block) > len(OPERATIONS):
        yield SKIP, float(block[-1])


@nni.trace
class TableLatency(AdditiveLatency):
    """Latency of `ProxylessNAS` by a look-up table of its blocks, such as the original one.

    A table has a number of milliseconds, or a mapping with their ``mean``, for keys such as
    ``expanded_conv-input:112x112x16-output:56x56x24-expand:3-kernel:3-stride:2-idskip:0``, and
    for ``Conv-``, ``Conv_1-`` and ``Logits-``. A sum of blocks is a model, no measurement.

    Source: Cai et al., "ProxylessNAS", ICLR 2019.

    Parameters
    ----------
    file
        YAML or JSON file.
    widths, blocks
        Of the space. The original table has the widths 32, 16, 24, 40, 80, 96, 192, 320, 1280.
    pixels
        Side of the images.
    num_labels
        Number of classes.

    Raises
    ------
    ValueError
        If the table lacks a block of the space.

    Examples
    --------
    >>> # TableLatency('mobile_trim.yaml').latency([sample])
    """

    def __init__(self, file: str | Path, widths: tuple[int, ...] = (
                     32, 16, 24, 40, 80, 96, 192, 320, 1280),
                 blocks: tuple[int, ...] = (4, 4, 4, 4, 4, 1), pixels: int = 224,
                 num_labels: int = 1000):
        table = yaml.safe_load(Path(file).read_text(encoding='utf-8'))

        def look_up(key: str) -> float:
            if key not in table:
                raise ValueError(f'Expected the latency of {key} in {file}, got none: the widths '
                                 'or the image size of the space are not those of the table.')
            return float(table[key]['mean'] if isinstance(table[key], dict) else table[key])

        side = pixels // 2
        base = look_up(f'Conv-input:{pixels}x{pixels}x3-output:{side}x{side}x{widths[0]}')
        base += look_up(_block_key(side, widths[0], widths[1], 1, 3, 1))
        costs = {}
        for one in block_positions(widths, blocks):
            costs[one.label] = {name: look_up(_block_key(
                side, one.inputs, one.outputs, expansion, kernel, one.stride))
                for name, (kernel, expansion) in OPERATIONS.items()}
            if one.skippable:
                costs[one.label][SKIP] = 0.
            side //= one.stride
        base += look_up(f'Conv_1-input:{side}x{side}x{widths[7]}-output:{side}x{side}x{widths[8]}')
        base += look_up(f'Logits-input:{side}x{side}x{widths[8]}-output:{num_labels}')
        super().__init__(costs, base)


def _block_key(side: int, inputs: int, outputs: int, expansion: int, kernel: int,
               stride: int) -> str:
    after = side // stride
    residual = int(stride == 1 and inputs == outputs)
    return (f'expanded_conv-input:{side}x{side}x{inputs}-output:{after}x{after}x{outputs}'
            f'-expand:{expansion}-kernel:{kernel}-stride:{stride}-idskip:{residual}')


@nni.trace
class LatencyConstraint(Between):
    """Accept the architectures whose latency lies between two bounds; a filter.

    Parameters
    ----------
    model
        Such as `TunasLatency`.
    maximum, minimum
        Milliseconds.

    Raises
    ------
    ValueError
        If no architecture can meet the bounds: the message tells the range.

    Examples
    --------
    >>> model = AdditiveLatency({'op': {'conv': 2., 'skip': 0.}}, base=5.)
    >>> accept = LatencyConstraint(model, maximum=6.)
    >>> accept({'op': 'conv'}), accept({'op': 'skip'})
    (False, True)
    """

    def __init__(self, model: AdditiveLatency, *, maximum: float = math.inf,
                 minimum: float = -math.inf):
        super().__init__(model.latency, minimum, maximum)
        self.model = model
        fastest, slowest = model.bounds
        if maximum < fastest or minimum > slowest:
            raise ValueError(f'Expected latencies from {fastest:.3f} to {slowest:.3f} ms to lie '
                             f'between {minimum:g} and {maximum:g} ms, got none that do.')
