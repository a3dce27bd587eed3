"""Results in order and without some, against what is written out."""

from __future__ import annotations

import math

import pytest

from nni_rankreg.typing import Results, sample_key, without

SAMPLES = [{'x': x} for x in range(5)]


@pytest.mark.parametrize('mode, order', [
    ('max', [3, 0, 4, 2, 1]), (None, [3, 0, 4, 2, 1]), ('min', [2, 0, 4, 3, 1])])
def test_best_first(mode, order):
    results = Results(SAMPLES, [0.5, math.nan, -1., 2., 0.5], mode)
    assert [sample['x'] for sample in results.best_first().samples] == order
    assert results.best_first().mode == mode and results.samples == SAMPLES


def test_infinite_metrics_are_in_order_and_none_are_fine():
    results = Results(SAMPLES[:3], [-math.inf, math.inf, 0.])
    assert results.best_first().metrics == [math.inf, 0., -math.inf]
    assert Results([], [], 'min').best_first() == Results([], [], 'min')


def test_results_without_some():
    results = Results([*SAMPLES, {'x': 1}], [0., 1., 2., 3., 4., 5.], 'min')
    left = results.without([{'x': 1}, {'x': 9}, {'x': 4}])
    assert left == Results([{'x': 0}, {'x': 2}, {'x': 3}], [0., 2., 3.], 'min')


def test_without_keeps_what_the_architectures_belong_to():
    pairs = [({'x': 0}, 'a'), ({'x': 1}, 'b'), ({'x': 2}, 'c')]
    assert without(pairs, SAMPLES[1:2], key=lambda pair: sample_key(pair[0])) == [
        pairs[0], pairs[2]]
    assert without(iter(SAMPLES), iter(SAMPLES[:4])) == SAMPLES[4:]
