"""Results from CSV files in every form, with the line of what is wrong."""

from __future__ import annotations

import csv

import pytest
from nni.mutable import Categorical, CategoricalMultiple, Numerical

from nni_rankreg.space import decode_nasbench201
from nni_rankreg.table import read_csv_results, read_results
from nni_rankreg.typing import Results, sample_key

SPACE = {'kernel': Categorical([1, 3, 5], label='kernel'),
         'width': Categorical([8, 16, 24, 32], label='width'),
         'norm': Categorical(['batch', 'none', 'layer'], label='norm'),
         'drop': Categorical([0.0, 0.5], label='drop'),
         'skip': Categorical([True, False], label='skip')}
HEADER = list(SPACE)


def write(path, header, rows):
    with open(path, 'w', newline='') as file:
        csv.writer(file).writerows([header, *rows])
    return path


def test_several_results_of_an_architecture_are_averaged(tmp_path):
    table = write(tmp_path / 't.csv', ['sample', 'metric', 'metric_2', 'seed'],
                  [('{"a": 1}', 2, 4, 0), ('{"a": 2}', 1, 1, 0), ('{"a": 1}', 6, 6, 1)])
    assert read_csv_results(table) == Results([{'a': 1}, {'a': 2}], [4.5, 1.])
    assert read_csv_results(table, 'metric').metrics == [4., 1.]


def test_strings_of_nasbench201(tmp_path):
    text = '|none~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|avg_pool_3x3~2|'
    table = write(tmp_path / 't.csv', ['arch', 'metric'], [(text, 1.)])
    assert read_csv_results(table).samples == [decode_nasbench201(text)]


def test_choices_are_read_as_the_space_spells_them(tmp_path):
    table = write(tmp_path / 't.csv', [*HEADER, 'metric'], [(5, '8', 'none', 0.5, 'true', 1.)])
    expected = {'kernel': 5, 'width': 8, 'norm': 'none', 'drop': 0.5, 'skip': True}
    assert read_csv_results(table, None, SPACE).samples == [expected]
    table = write(tmp_path / 't.csv', [*HEADER, 'metric'], [('5.0', 8, 'none', '5e-1', True, 1.)])
    assert read_csv_results(table, None, SPACE).samples == [expected]
    digits = {'a': Categorical(['1', '2'], label='a')}
    table = write(tmp_path / 't.csv', ['a', 'metric'], [(1, 1.)])
    assert read_csv_results(table, None, digits).samples == [{'a': '1'}]
    assert read_csv_results(table).samples == [{'a': 1}]


def test_the_key_of_an_architecture_is_that_of_the_space(tmp_path):
    table = write(tmp_path / 't.csv', [*HEADER, 'metric'], [('5.0', 8, 'none', '5e-1', True, 1.)])
    sample, = read_csv_results(table, None, SPACE).samples
    assert sample_key(sample) == sample_key(
        {'kernel': 5, 'width': 8, 'norm': 'none', 'drop': 0.5, 'skip': True})


def test_other_choices_than_one_of_a_list(tmp_path):
    space = {'rate': Numerical(0., 1., label='rate'),
             'inputs': CategoricalMultiple([0, 1, 2], label='inputs')}
    table = write(tmp_path / 't.csv', ['rate', 'inputs', 'metric'], [(.25, '[0, 2]', 1.)])
    assert read_csv_results(table, None, space).samples == [{'rate': .25, 'inputs': [0, 2]}]
    for row, wrong in ((('high', '[0]', 1.), "'high'.* 'rate'"), ((.5, 7, 1.), "'7'.* 'inputs'")):
        write(table, ['rate', 'inputs', 'metric'], [row])
        with pytest.raises(ValueError, match=f'in line 2 of .*{wrong}'):
            read_csv_results(table, None, space)


def test_results_of_a_path_are_read_in_every_form(tmp_path):
    table = write(tmp_path / 't.csv', ['kernel', 'metric'], [(1, .5), (3, .75), (1, .25)])
    assert read_results(table, 'min') == Results([{'kernel': 1}, {'kernel': 3}], [-.375, -.75],
                                                 'max')


@pytest.mark.parametrize('header, rows, message', [
    ([], [], r'Expected a column that begins with metric in .*t.csv, or the name .*got \[\]'),
    (['kernel', 'acc'], [(1, 2)], r"begins with metric in .*got \['kernel', 'acc'\]"),
    (['kernel', 'metric'], [], 'Expected at least one architecture in .*t.csv, got none'),
    (['kernel', 'metric'], [(1, 'nan')], 'in line 2 of .*nan, which is not finite'),
    (['sample', 'metric'], [('{"a": 1}', 1), ('{}', 'x')], "in line 3 of .*t.csv, got: .*'x'"),
])
def test_errors(tmp_path, header, rows, message):
    with pytest.raises(ValueError, match=message):
        read_csv_results(write(tmp_path / 't.csv', header, rows))


def test_no_csv_file(tmp_path):
    (tmp_path / 't.csv').write_bytes(b'\x80\x81')
    with pytest.raises(ValueError, match='Expected a CSV file in UTF-8 at .*t.csv, got'):
        read_csv_results(tmp_path / 't.csv')
