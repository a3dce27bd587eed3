"""TuNAS' linear model of latency; the user gives its file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nni
import numpy as np

from .._util.error import brief
from .._util.npz import named_arrays
from ..space.proxyless import OPERATIONS, SKIP, block_positions
from .additive_latency import AdditiveLatency

__all__ = ['TunasLatency']


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
    >>> # TunasLatency('tunas/proxylessnas_search.npz')([sample])
    """

    def __init__(self, file: str | Path):
        model = named_arrays(file, ('kernel', 'choices', 'bias'))
        kernel, choices = model['kernel'], model['choices'].tolist()
        positions = list(block_positions())
        if (choices != [3, *(6 + one.skippable for one in positions)]
                or kernel.shape != (sum(choices),) or model['bias'].size != 1):
            raise ValueError('Expected the model of 22 blocks with 3, 6 or 7 choices, 144 '
                             f'coefficients and a bias, got {brief(choices)}, {kernel.shape} and '
                             f'{model["bias"].shape} in {file}.')
        for name in ('kernel', 'bias'):
            if model[name].dtype.kind not in 'iuf' or not np.isfinite(model[name]).all():
                raise ValueError(f'Expected finite numbers as {name} in {file}, got '
                                 f'{brief(model[name])}.')
        base = float(model['bias'].item()) + float(kernel[0])
        blocks = np.split(kernel, np.cumsum(choices)[:-1])[1:]
        super().__init__({one.label: dict(_tunas_costs(block))
                          for one, block in zip(positions, blocks)}, base)


def _tunas_costs(block: np.ndarray) -> Iterator[tuple[str, float]]:
    for index, name in enumerate(OPERATIONS):  # TuNAS has the expansion in the inner place
        yield name, float(block[2 * (index % 3) + index // 3])
    if len(block) > len(OPERATIONS):
        yield SKIP, float(block[-1])
