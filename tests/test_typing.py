"""Results in order and without some, against what is written out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from helpers.fuzz import FUZZ
from hypothesis import given
from hypothesis import strategies as st

from nni_rankreg.typing import Results, choices_of, map_choices, sample_key, sample_keys, without

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


CHOICES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.floats(), st.text(max_size=3),
              st.sampled_from([np.float32(0.5), np.int64(2)])),
    lambda one: st.one_of(st.lists(one, max_size=2), st.tuples(one),
                          st.dictionaries(st.text(max_size=2), one, max_size=2)), max_leaves=4)


@FUZZ
@given(st.lists(st.fixed_dictionaries({'b': CHOICES, 'a': CHOICES}, optional={'"c': CHOICES}),
                max_size=6))
def test_keys_of_many_are_those_of_each(samples):
    assert sample_keys(samples) == list(map(sample_key, samples))


def test_choices_are_mapped_once():
    calls = []
    given_twice = [[0, 1], 'x', [0, 1], {'y': 1}, 'x', 1, 1.]
    found = map_choices(lambda choice: calls.append(choice) or repr(choice), given_twice)
    assert found == ['[0, 1]', "'x'", '[0, 1]', "{'y': 1}", "'x'", '1', '1'] and len(calls) == 4


@pytest.mark.parametrize('samples', [[{'a': 1}, {'b': 1}], [{'a': 1}, {'a': 1, 'b': 1}]])
def test_choices_of_samples_with_different_labels(samples):
    assert choices_of(samples, ['a']) is None
