"""Tests of `nni_rankreg.report.markdown`."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nni_rankreg.report import markdown_table


def parse(table):
    """Read a Markdown table: cells end at bars without a backslash, then escapes are resolved."""
    lines = [re.findall(r'\|((?:\\.|[^\\|])*)(?=\|)', line) for line in table.split('\n')]
    cells = [[re.sub(r'\\(.)', r'\1', cell.strip(' ')) for cell in line] for line in lines]
    assert all(re.fullmatch(r'(:-{2,}|-{2,}:)', cell) for cell in cells[1])
    return cells[0], cells[2:]


TEXT = st.text(st.one_of(st.sampled_from('|\\~*`<_- a'), st.characters(
    exclude_categories=('Cc', 'Cs', 'Zl', 'Zp'))), max_size=8).map(str.strip)


@settings(deadline=None)
@given(data=st.integers(1, 4).flatmap(lambda width: st.lists(
    st.lists(TEXT, min_size=width, max_size=width), min_size=1, max_size=4)))
def test_table_is_aligned_and_parses_back(data):
    table = markdown_table(data[0], data[1:])
    assert parse(table) == (data[0], data[1:])
    # Bars of the frame stand at the same places; those in a cell have a backslash.
    masked = [re.sub(r'\\.', '..', line) for line in table.split('\n')]
    assert len({tuple(match.start() for match in re.finditer(r'\|', line)) for line in masked}) == 1


def test_table_of_numbers():
    rows = [['a', np.float32(0.5), 7, None, True], ['b', -12., np.int64(123), 1e-3, False]]
    table = markdown_table(['name', 'x', 'n', 'gap', 'flag'], rows, digits=2)
    assert table.split('\n') == [
        '| name |      x |   n |  gap | flag  |',
        '| :--- | -----: | --: | ---: | :---- |',
        '| a    |   0.50 |   7 |      | True  |',
        '| b    | -12.00 | 123 | 0.00 | False |',
    ]


def test_table_has_one_line_a_row():
    table = markdown_table(['error'], [['one\ntwo\r\nthree']])
    assert parse(table) == (['error'], [['one two three']])


def test_table_without_rows():
    assert markdown_table(['arm', 'τ'], []) == '| arm | τ   |\n| :-- | :-- |'


@pytest.mark.parametrize('header, rows, message', [
    ([], [], 'Expected at least one column, got none'),
    (['a', 'b'], [[1, 2], [1]], 'Expected 2 cells in row 1, got 1'),
    (['a'], [[1, 2]], 'Expected 1 cells in row 0, got 2'),
])
def test_table_errors(header, rows, message):
    with pytest.raises(ValueError, match=message):
        markdown_table(header, rows)
