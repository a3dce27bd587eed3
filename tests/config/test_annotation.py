"""Annotations: what fits them, without a conversion."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import pytest
import torch

from nni_rankreg.config.annotation import describe, expected, fits
from nni_rankreg.config.call import Call
from nni_rankreg.predictor import GaussianProcess
from nni_rankreg.predictor.prediction import Predictor
from nni_rankreg.space import NasBench201
from nni_rankreg.table import TabularBenchmark, digits
from nni_rankreg.typing import Accept, Scorer


@pytest.mark.parametrize('hint, good, bad', [
    (int, [3, -1], [3., True, '3', None, [3]]), (float, [3, .5, float('inf')], [True, '.5', None]),
    (bool, [True], [1, 0, 'yes']), (str, ['', 'a'], [1, None, ['a']]),
    (None | int, [None, 1], ['1', False]), (int | None, [None, 1], ['1']),
    (Literal['max', 1], ['max', 1], ['min', True, 1.]), (str | Path, ['a'], [1]),
    (Path, ['a'], [1]), (os.PathLike[str], ['a'], [1]),
    (Sequence[float], [[], [1, .5]], ['ab', ['a'], [True], 1, {'a': 1}]),
    (tuple[int, float], [[1, .5]], [[1], [1, 2, 3], ['a', 1]]), (tuple[()], [[]], [[1]]),
    (tuple[int, ...], [[], [1, 2, 3]], [[1, 'a']]), (list, [[1, 'a']], ['a', 1]),
    (dict[str, int], [{}, {'a': 1}], [{'a': 'b'}, {1: 1}, [1]]), (Mapping, [{1: 2}], [[1]]),
    (Any, [None, 1, 'a', [1]], []), (TypeVar('T'), [1], []), (object, [1], []),
    (type[torch.nn.Module], [], ['torch.nn.ReLU', {'class_path': 'torch.nn.ReLU'}]),
    (Callable[[int], int], [], ['os.system', {'class_path': 'os.system'}]),
    (torch.nn.Module, [], ['torch.nn.ReLU', 1, {'class_path': 'torch.nn.ReLU'}]),
    (Scorer, [], ['flops']),
])
def test_plain_values(hint, good, bad):
    assert all(fits(one, hint) for one in good)
    assert not any(fits(one, hint) for one in bad)


def call(target):
    return Call('key', target, {}, 'key.init_args')


@pytest.mark.parametrize('target, good, bad', [
    (NasBench201, [torch.nn.Module, torch.nn.Module | None, Any],
     [int, torch.nn.ReLU, Sequence[int], Literal['a'], type[torch.nn.Module], None]),
    (torch.nn.ReLU, [Callable[..., Any], Accept, Sequence[int] | torch.nn.Module],
     [dict[str, int]]),
    (TabularBenchmark, [Scorer, Accept], [Predictor]), (GaussianProcess, [Scorer, Predictor], []),
    (digits, [TabularBenchmark, str | TabularBenchmark], [str, torch.nn.Module]),
    (torch.utils.data.TensorDataset, [torch.utils.data.Dataset[torch.Tensor]], [list]),
])
def test_what_is_built(target, good, bad):
    assert all(fits(call(target), hint) for hint in good)
    assert not any(fits(call(target), hint) for hint in bad)
    assert fits([call(target)], list[good[0]]) and not fits([1], list[good[0]])


def test_words():
    assert expected(Sequence[int] | None) == 'Sequence[int] or null'
    assert expected(Callable[[int], int]) == 'Callable'
    assert describe(call(torch.nn.ReLU)) == 'a ReLU'
    assert len(describe('x' * 10 ** 6)) < 300 and len(describe([1] * 10 ** 6)) < 300
