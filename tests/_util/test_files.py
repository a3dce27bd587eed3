"""A file that is replaced is complete at any time."""

from __future__ import annotations

import multiprocessing
import resource

import pytest
import torch

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
    assert not list(tmp_path.glob('*.part'))


def write_with_little_room(path, write, said):
    """Write where no file may have more than 64 KiB, as on a disk that is nearly full."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 ** 16, 2 ** 16))
    try:
        with replaced_file(path) as part:
            write(part)
    except OSError as error:
        said.put(str(error))
    else:
        said.put('nothing')


@pytest.mark.parametrize('write', [lambda part: part.write_bytes(bytes(2 ** 20)),
                                   lambda part: torch.save(torch.zeros(2 ** 18), part)])
def test_a_full_disk_is_told_of_and_leaves_the_file_as_it_was(write, tmp_path):
    path, context = tmp_path / 'weights.pt', multiprocessing.get_context('fork')
    path.write_text('old')
    said = context.SimpleQueue()
    child = context.Process(target=write_with_little_room, args=[path, write, said])
    child.start()
    message = said.get()
    child.join()
    assert message.startswith(f'Expected to write {path}, got: ') and '\n' not in message
    assert 'MiB free; make room, and start again.' in message
    assert path.read_text() == 'old' and list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_gone_is_no_full_disk(tmp_path):
    path = tmp_path / 'gone' / 'weights.pt'
    with (pytest.raises(FileNotFoundError, match=f'Expected the folder of {path}, got none.'),
          replaced_file(path) as part):
        part.write_text('new')
