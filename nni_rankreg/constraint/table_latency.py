"""Latency by a look-up table of the blocks of a network; the user gives its file."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import nni

from .._util.error import brief, one_line
from .._util.path import user_path
from .._util.size import check_sizes
from .._util.yaml import read_yaml
from ..space.proxyless import OPERATIONS, SKIP, block_positions, check_stages
from .additive_latency import AdditiveLatency

__all__ = ['TableLatency']


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
        If the file is no such table, or lacks a block of the space; if a size is no positive whole
        number.

    Examples
    --------
    >>> # TableLatency('mobile_trim.yaml')([sample])
    """

    def __init__(self, file: str | Path, widths: tuple[int, ...] = (
                     32, 16, 24, 40, 80, 96, 192, 320, 1280),
                 blocks: tuple[int, ...] = (4, 4, 4, 4, 4, 1), pixels: int = 224,
                 num_labels: int = 1000):
        check_stages(widths, blocks)
        check_sizes(pixels=pixels, num_labels=num_labels)
        table = _read(file)

        def look_up(key: str) -> float:
            if key not in table:
                raise ValueError(f'Expected the latency of {key} in {file}, got none: the widths '
                                 'or the image size of the space are not those of the table.')
            found = table[key].get('mean') if isinstance(table[key], dict) else table[key]
            if type(found) not in (int, float) or not 0 <= found < math.inf:
                raise ValueError(f'Expected milliseconds, at least 0, of {key} in {file}, got '
                                 f'{brief(found)}.')
            return float(found)

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


def _read(file: str | Path) -> dict[str, Any]:
    try:
        table = read_yaml(user_path(file))
    except (ValueError, RecursionError) as error:
        raise ValueError(f'Expected a YAML or JSON file of latencies, got {file}: '
                         f'{one_line(error)}') from error
    if not isinstance(table, dict):
        raise ValueError(f'Expected a table of latencies in {file}, got {brief(table)}.')
    return table


def _block_key(side: int, inputs: int, outputs: int, expansion: int, kernel: int,
               stride: int) -> str:
    after = side // stride
    residual = int(stride == 1 and inputs == outputs)
    return (f'expanded_conv-input:{side}x{side}x{inputs}-output:{after}x{after}x{outputs}'
            f'-expand:{expansion}-kernel:{kernel}-stride:{stride}-idskip:{residual}')
