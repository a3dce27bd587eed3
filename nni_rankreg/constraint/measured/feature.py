"""What the latency of an architecture is learned from, quickly and without building it."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from nni.mutable import MutableExpression, MutableSymbol
from nni.nas.nn.pytorch import ModelSpace
from nni.nas.profiler.pytorch.flops import FlopsParamsProfiler
from torch import Tensor

from ...predictor.choice import Column
from ...proxy import ProxyScorer
from ...space.usage import UsedChoices
from ...typing import Sample
from .network import plain_copy

__all__ = ['Features', 'counted', 'part_sum', 'profiled']


class Features:
    """The choices that an architecture uses, and sums over it: its layers, its operations.

    Parameters
    ----------
    space
        An NNI model space.
    sums
        Name -> function of an architecture, such as the milliseconds of its layers.

    Examples
    --------
    >>> from nni_rankreg.space import NasBench201
    >>> features = Features(NasBench201(4, 1), {'convolutions': lambda sample: sum(
    ...     'conv' in one for one in sample.values())})
    >>> sample = {label: 'conv_1x1' for label in NasBench201(4, 1).simplify()}
    >>> features.sums([sample]), features.choices([sample]).shape
    (array([[6.]]), (1, 35))
    """

    def __init__(self, space: ModelSpace, sums: Mapping[str, Callable[[Sample], float]]):
        self.names = list(sums)
        self._sums = list(sums.values())
        self._used = UsedChoices(space)
        self._columns = [Column(leaf) for leaf in space.simplify().values()
                         if isinstance(leaf, MutableSymbol)]
        kinds = [column.kind for column in self._columns]
        self._alike = {kind: [row for row, one in enumerate(kinds) if one == kind]
                       for kind in kinds if kinds.count(kind) > 1}

    def sums(self, samples: Sequence[Sample]) -> np.ndarray:
        """Return the sums over N architectures, shape (N, S), float64."""
        return np.array([[float(one(sample)) for one in self._sums] for sample in samples]
                        ).reshape(len(samples), len(self._sums))

    def choices(self, samples: Sequence[Sample]) -> np.ndarray:
        """Return the choices of N architectures, shape (N, K), 0 where one is not used.

        Of each label, and summed over all labels that choose from the same list.
        """
        used = [json.loads(self._used(sample)) for sample in samples]
        each = [column.encode(samples).double().numpy()
                * np.array([[column.label in one] for one in used]) for column in self._columns]
        alike = [sum(each[row] for row in rows) for rows in self._alike.values()]
        return np.concatenate([*each, *alike], axis=1)


def part_sum(parts: Sequence[Mapping[str, Any]], milliseconds: Sequence[float],
             used: Callable[[Sample], str]) -> Callable[[Sample], float]:
    """Return the milliseconds of the layers that an architecture has chosen and uses.

    Parameters
    ----------
    parts, milliseconds
        Layers in their place, by their names in a table, and what each takes there.
    used
        `UsedChoices` of the space.
    """
    table: dict[tuple[str, str], float] = {}
    for part, one in zip(parts, milliseconds):
        key = part['label'], str(part['choice'])
        table[key] = table.get(key, 0.) + part['places'] * one
    return lambda sample: sum(table.get((label, str(choice)), 0.)
                              for label, choice in json.loads(used(sample)).items())


def profiled(space: ModelSpace, example: Sequence[Tensor]
             ) -> dict[str, Callable[[Sample], float]]:
    """Return what NNI's profiler counts, in millions; nothing if it does not know all layers.

    Parameters
    ----------
    space
        A model space.
    example
        Its arguments.
    """
    logger = logging.getLogger('nni.nas.profiler')
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter('ignore')
            found = FlopsParamsProfiler(plain_copy(space).eval(), tuple(example)).flops_result
    except Exception:  # of any layer that NNI has no formula for
        return {}
    finally:
        logger.setLevel(level)
    return {'multiply-accumulates': partial(_value, found.flops),
            'parameters': partial(_value, found.params)}


def _value(expression: Any, sample: Sample) -> float:
    return float(expression.evaluate(sample) if isinstance(expression, MutableExpression)
                 else expression) / 1e6


def counted(space: ModelSpace, example: Sequence[Tensor]) -> dict[str, Callable[[Sample], float]]:
    """Return what counts multiply-accumulates in the network of an architecture, in millions.

    Each network is built, which takes milliseconds; nothing if it has several arguments.
    """
    if len(example) > 1:
        return {}
    count = ProxyScorer('flops', space, (example[0], torch.zeros(len(example[0]))))
    return {'multiply-accumulates': lambda sample: count([sample]).item()}
