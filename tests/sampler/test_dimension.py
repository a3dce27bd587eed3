"""Equal choices of another type are the space's own object, and what is no choice is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from nni.mutable import Categorical, CategoricalMultiple, Numerical
from torch import nn

from nni_rankreg.sampler import UniformSampler
from nni_rankreg.sampler.choice import ChoiceSpace
from nni_rankreg.sampler.dimension import Dimension
from nni_rankreg.typing import Results


@pytest.mark.parametrize('values, written', [
    ([8, 16], 8.0), ([8, 16], np.int64(8)), ([8, 16], np.float32(8)), ([1, 2], True),
    ([True, False], 1), ([True, False], 1.0), ([True, False], np.bool_(True)),
    ([0., 0.5], 0), ([0., 0.5], False), (['a', 'b'], np.str_('a')), ([None, 'a'], None),
    ([(1, 5), (5, 1)], [1, 5]), ([(1, 5), (5, 1)], [1.0, np.int64(5)]), ([[1, 5], 3], (1, 5)),
    ([((1,), 2), 3], [[1], 2]), ([{'k': (3, 3)}, 'a'], {'k': [3, 3]}),
])
def test_equal_choices_are_the_spaces_own(values, written):
    own = Dimension(Categorical(values, label='x')).canonical(written)
    assert own == values[0] and type(own) is type(values[0])
    assert repr(own) == repr(values[0])                      # inside of tuples, too


@pytest.mark.parametrize('written', [[5, 2], (2., 5), [np.int64(5), 2]])
def test_several_choices_are_in_the_order_of_the_space(written):
    own = Dimension(CategoricalMultiple([2, 3, 5], n_chosen=2, label='x')).canonical(written)
    assert repr(own) == '[2, 5]'


def test_a_real_number_is_a_float():
    for written in (1, 1., True, np.float32(1), np.int64(1)):
        assert repr(Dimension(Numerical(0, 2, label='x')).canonical(written)) == '1.0'


NUMBERS = Categorical([8, 16], label='x')
SEVERAL = CategoricalMultiple(['a', 'b'], label='x')


@pytest.mark.parametrize('mutable, written, message', [
    (NUMBERS, '8', r"Expected one of \[8, 16\] as 'x' of an architecture, got '8'"),
    (NUMBERS, 9, 'got 9'), (NUMBERS, [8], r'got \[8\]'), (NUMBERS, None, 'got None'),
    (NUMBERS, np.array([8]), r'got array\(\[8\]\)'), (NUMBERS, list(range(999)), r'4, 5, \.\.\.\]'),
    (NUMBERS, 'x' * 9999, r'got .x+\.\.\.x+.\.$'),
    (SEVERAL, ['a', 'a'], r"Expected some of \['a', 'b'\] as 'x'"), (SEVERAL, 'ab', "got 'ab'"),
    (SEVERAL, ['c'], r"got \['c'\]"), (SEVERAL, 3, 'got 3'),
    (CategoricalMultiple([1, 2], n_chosen=1, label='x'), [1, 2], r'Expected some of \[1, 2\]'),
    (Numerical(0, 2, label='x'), '1', r'Expected one of Numerical\(0, 2.* got .1.'),
    (Numerical(0, 2, label='x'), 3, 'got 3'), (Numerical(0, 2, label='x'), float('nan'), 'got nan'),
    (Categorical([8, 16], weights=[1., 0.], label='x'), 16, 'got 16'),
])
def test_what_is_no_choice_is_refused(mutable, written, message):
    with pytest.raises(ValueError, match=message) as caught:
        Dimension(mutable).canonical(written)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize('values, own', [
    (np.array([8, 16]), [8, 16]), (np.array([0.5, 1.]), [0.5, 1.]), (np.array(['a', 'b']), 'ab'),
    (np.array([True, False]), [True, False]), ([np.int64(8), 16], [8, 16]),
    ([(np.int64(1), 5), (5, 1)], [(1, 5), (5, 1)])])
def test_numpy_choices_of_a_space_are_those_of_python(values, own):
    space = {'x': Categorical(values, label='x')}
    drawn = [one['x'] for one in UniformSampler(space).distinct(2)]
    assert sorted(map(repr, drawn)) == sorted(map(repr, own))
    json.dumps(drawn)
    assert all(space['x'].contains({'x': one}) for one in drawn)


@pytest.mark.parametrize('value', [nn.ReLU, {1: 2}, {3}, b'x'])
def test_choices_that_no_file_keeps_are_refused_with_the_space(value):
    with pytest.raises(ValueError, match="Expected choices of 'x' that JSON keeps .* got"):
        UniformSampler({'x': Categorical([value, 1], label='x')})


SPACE = {'c': Categorical([0, 1], label='c'), 'k': Categorical([(1, 5), (3, 3)], label='k')}


def test_results_are_those_of_the_space_with_mean_metrics():
    given = Results([{'c': 0., 'k': [1, 5]}, {'k': (3, 3), 'c': True}, {'c': False, 'k': (1, 5)}],
                    [np.float32(0.5), 1, 1.5], 'min')
    found = ChoiceSpace(SPACE).results(given)
    assert repr(found.samples) == "[{'c': 0, 'k': (1, 5)}, {'c': 1, 'k': (3, 3)}]"
    assert found.metrics == [1., 1.] and found.mode == 'min'


@pytest.mark.parametrize('samples, metrics, message', [
    ([{'c': 7, 'k': (3, 3)}], [1.], r"Expected one of \[0, 1\] as 'c' of landmark 2, got 7"),
    ([{'c': 1}], [1.], r"Expected landmark 2 with the labels \['c', 'k'\], got no 'k'"),
    ([{'c': 1, 'k': (3, 3), 'old': 1}], [1.], "got 'old' besides"),
    ([{'c': 1, 'k': (3, 3)}], [float('nan')], 'Expected a finite number as the metric of'),
    ([{'c': 1, 'k': (3, 3)}], ['0.5'], "metric of landmark 2, got '0.5'"),
    ([{'c': 1, 'k': (3, 3)}], [None], 'metric of landmark 2, got None'),
    ([{'c': 1, 'k': (3, 3)}], [], 'Expected a metric of each landmark, got 1 of 2'),
    (['conv'], [1.], "Expected landmark 2 as a dict, label to choice, got 'conv'"),
])
def test_results_of_another_space_are_named(samples, metrics, message):
    first = {'c': 0, 'k': (3, 3)}
    with pytest.raises(ValueError, match=message):
        ChoiceSpace(SPACE).results(Results([first, *samples], [0.5, *metrics]), 'landmark')
