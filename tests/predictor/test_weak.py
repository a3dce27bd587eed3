"""Weak labels in files."""

from __future__ import annotations

import pytest

from nni_rankreg.predictor import WeakLabels, read_weak

WEAK = WeakLabels([{'op': 'conv', 'x': [1]}, {'op': 'a,b', 'x': []}],
                  {'supernet': [0.1 + 0.2, -1.], 'flops': [1e9, 3.]})


def test_file_keeps_every_digit(tmp_path):
    WEAK.to_csv(tmp_path / 'weak.csv')
    assert read_weak(tmp_path / 'weak.csv') == WEAK == read_weak(WEAK)
    assert (tmp_path / 'weak.csv').read_text().splitlines()[0] == 'sample,supernet,flops'


def test_order_of_the_labels_is_that_of_the_columns(tmp_path):
    (tmp_path / 'weak.csv').write_text('b,sample,a\n1,"{""op"": 1}",nan\n')
    weak = read_weak(str(tmp_path / 'weak.csv'))
    assert list(weak.labels) == ['b', 'a'] and weak.finite().samples == []


@pytest.mark.parametrize('text, message', [
    ('arch,flops\nx,1\n', "Expected a column 'sample'"),
    ('sample\n"{""a"": 1}"\n', 'at least one column of labels'),
    ('sample,flops\n"{""a"": 1}",many\n', 'with numbers in line 2 of .*many'),
    ('sample,flops\n{},1\n', 'in line 2 .*an empty one'), ('sample,flops\n', 'Expected rows'),
    ('sample,flops\n[],1\n', 'in line 2 .*a JSON object'),
])
def test_wrong_files(tmp_path, text, message):
    (tmp_path / 'weak.csv').write_text(text)
    with pytest.raises(ValueError, match=message):
        read_weak(tmp_path / 'weak.csv')
