"""A file that is replaced is complete at any time."""

from __future__ import annotations

import pytest

from nni_rankreg._util.files import replaced_file


@pytest.mark.parametrize('kind', [str, lambda path: path])
def test_a_file_is_replaced(kind, tmp_path):
    path = tmp_path / 'a.json'
    for text in ('first', 'second'):
        with replaced_file(kind(path)) as part:
            part.write_text(text)
        assert path.read_text() == text
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize('before', ['old', None])
def test_what_fails_half_way_leaves_the_file_as_it_was(before, tmp_path):
    path = tmp_path / 'a.json'
    if before is not None:
        path.write_text(before)
    with pytest.raises(KeyboardInterrupt), replaced_file(path) as part:
        part.write_text('half')
        raise KeyboardInterrupt
    assert (path.read_text() if path.exists() else None) == before
