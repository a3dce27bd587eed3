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
    (['kernel', 'metric'], [], 'Expected rows below the header, line 1 of .*t.csv, got none'),
    (['kernel', 'metric', 'metric'], [(1, 2, 3)], 'each column once in line 1 of .*metric.* more'),
    (['sample', 'metric'], [('{}', 1)], 'in line 2 .*: Expected a JSON object, label to choice'),
    (['sample', 'metric'], [('{"a": NaN}', 1)], 'in line 2 .*: Expected choices, got NaN'),
    (['sample', 'metric'], [('[' * 10 ** 5, 1)], 'in line 2 .*nested too deep'),
    (['kernel', 'metric'], [(1, 'nan')], 'in line 2 of .*nan, which is not finite'),
    (['sample', 'metric'], [('{"a": 1}', 1), ('{}', 'x')], 'in line 3 of .*t.csv, got: .*choice'),
])
def test_errors(tmp_path, header, rows, message):
    with pytest.raises(ValueError, match=message):
        read_csv_results(write(tmp_path / 't.csv', header, rows))


TEXT = 'kernel,norm,metric\n3,none,1\n5,batch,2\n3,batch,3\n'
LATIN = TEXT.replace('none', 'größe')


def read_text(tmp_path, text, **options):
    path = tmp_path / 't.csv'
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_csv_results(path, **options)


@pytest.mark.parametrize('text, message', [
    (TEXT.encode('utf-16'), 'Expected a CSV file in UTF-8, got UTF-16 from line 1 of .*t.csv on'),
    (LATIN.encode('latin-1'), 'got the byte 0xf6 in line 2 of .*t.csv, as in Latin-1'),
    (TEXT + TEXT, 'header once, got it again in line 5'),
    (TEXT.replace(',', ';'), 'commas between the columns in line 1 of .*t.csv, got semicolons'),
    (TEXT.replace(',', '\t'), 'got tabs'), (TEXT + '1,2\n', 'Expected 3 fields in line 5 of'),
    (TEXT.replace('none', 'no\0ne'), 'Expected a CSV file|Expected text in line 2 of .*t.csv'),
    (TEXT.replace('none', 'x' * 200_000), 'an error in line 2 of .*t.csv: field larger'),
    ('\n\nkernel,kernel,metric\n', r"in line 3 of .*t.csv, got \['kernel'\] more than once"),
])
def test_no_csv_file(tmp_path, text, message):
    with pytest.raises(ValueError, match=message) as raised:
        read_text(tmp_path, text)
    assert len(str(raised.value)) < 500


def test_columns_without_a_name_are_left_out(tmp_path):
    """pandas writes an index, spreadsheets write commas at the end."""
    expected = read_text(tmp_path, TEXT)
    numbered = '\n'.join(f'{"" if i == 0 else i},{line}' for i, line in enumerate(TEXT.split()))
    assert read_text(tmp_path, numbered) == expected
    assert read_text(tmp_path, TEXT.replace('\n', ',\n')) == expected
    assert read_text(tmp_path, '\ufeff' + TEXT.replace('kernel', ' kernel ') + '\r\n') == expected


def test_what_differs_in_every_row_is_no_choice(tmp_path, caplog):
    expected = read_text(tmp_path, TEXT)
    lines = TEXT.split()
    notes = '\n'.join([f'{lines[0]},notes', *(f'{one},run {i}' for i, one in enumerate(lines[1:]))])
    assert read_text(tmp_path, notes) == expected
    assert "'notes' differs in every row of" in caplog.text
    space = {label: Categorical(['3', '5', 'none', 'batch'], label=label)
             for label in ('kernel', 'norm')}
    caplog.clear()
    assert len(read_text(tmp_path, notes, space=space).samples) == 3 and not caplog.text
    sweep = 'kernel,norm,metric\n1,none,1\n3,none,2\n5,none,3\n'
    assert [one['kernel'] for one in read_text(tmp_path, sweep).samples] == [1, 3, 5]


@pytest.mark.parametrize('text, choice', [
    ('3', 3), ('0.5', .5), ('True', True), ('TRUE', True), ('null', None), ('"(1, 2)"', (1, 2)),
    ('NaN', 'NaN'), ('1e999', '1e999'), ('[1]', '[1]'), ('"{1, 2}"', '{1, 2}'), ('1j', '1j'),
    ("b'a'", "b'a'"), ('...', '...'), ('"([1], 2)"', '([1], 2)')])
def test_choices_of_a_file_alone_are_plain(tmp_path, text, choice):
    sample, = read_text(tmp_path, f'kernel,metric\n{text},1\n').samples
    assert sample == {'kernel': choice}
