"""The file of a measured latency."""

from __future__ import annotations

import pytest

from nni_rankreg.constraint.measured.table import LatencyTable

HEADER = 'kind,name,value,repeats\n'


def test_what_is_written_is_read(tmp_path):
    table = LatencyTable({'machine': 'a, b "c"', 'threads': '1'})
    for milliseconds in (3., 2.5, 9., 2.75):
        table.add('network', {'op': 'conv', 'width': 8}, milliseconds)
    table.add('part', {'label': 'op', 'choice': [1, 2]}, 0.125)
    table.write(tmp_path / 'folder' / 'a.csv')
    again = LatencyTable.read(tmp_path / 'folder' / 'a.csv')
    assert again.about == table.about
    assert again.names('part') == [{'label': 'op', 'choice': [1, 2]}]
    assert again.milliseconds('network', [{'width': 8, 'op': 'conv'}]) == [2.625]
    assert again.repeats('network', {'width': 8, 'op': 'conv'}) == 4
    assert again.repeats('unseen', {}) == 0


@pytest.mark.parametrize('row, message', [
    ('network,{},nan,', 'Expected milliseconds, at least 0, in line 2 of .*, got .nan'),
    ('unseen,{},0,', 'Expected milliseconds of a network above 0 in line 2 of .*, got .0'),
    ('network,{},1,1 -2', 'at least 0, in line 2 of .*, got .-2'),
    ('network,{},inf,', 'got .inf'), ('network,{},fast,', 'got .fast'),
    ('network,{,1,', 'Expected a JSON object as name in line 2'),
    ('network,[1],1,', r'as name in line 2 of .*got .\[1\]'),
    ('netwrok,{},1,', "Expected a kind among .'about', 'part'"), ('', 'Expected rows below')])
def test_rows_of_something_else(tmp_path, row, message):
    (tmp_path / 'a.csv').write_text(HEADER + row)
    with pytest.raises(ValueError, match=message):
        LatencyTable.read(tmp_path / 'a.csv')
