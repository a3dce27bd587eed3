"""Rejection sampling, counted."""

from __future__ import annotations

from itertools import count, islice

import pytest

from nni_rankreg.sampler.rejection import accepted, first_accepted, once


def test_misses_are_counted_in_a_row():
    numbers = count()
    found = list(accepted(lambda: next(numbers), lambda number: number in (1, 3, 6), attempts=3))
    assert found == [1, 3, 6] and next(numbers) == 10  # 7, 8 and 9 are the last


def test_nothing_is_drawn_beyond_what_is_asked_for():
    numbers = count()
    assert list(islice(accepted(lambda: next(numbers), lambda number: True), 4)) == [0, 1, 2, 3]
    assert next(numbers) == 4


def test_the_first_that_is_accepted_or_the_failure():
    numbers = count()
    assert first_accepted(lambda: next(numbers), lambda number: number == 4, ValueError, 5) == 4
    with pytest.raises(ValueError, match='none'):
        first_accepted(lambda: next(numbers), lambda number: False, lambda: ValueError('none'), 5)
    assert next(numbers) == 10


def test_once_asks_the_filter_of_new_architectures_only():
    asked = []

    def accept(sample):
        asked.append(sample['x'])
        return sample['x'] != 2

    new = once([{'x': 0}], accept)
    assert [new({'x': x}) for x in (0, 1, 1, 2, 2)] == [False, True, False, False, False]
    assert asked == [1, 2, 2]


def test_once_accepts_one_of_each_key():
    new = once([{'x': 3, 'y': 0}], key=lambda sample: str(sample['x']))
    assert [new({'x': x, 'y': y}) for x, y in ((1, 0), (1, 1), (3, 1), (2, 1))] == [
        True, False, False, True]
