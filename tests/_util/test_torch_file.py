"""Files of PyTorch that are damaged are told in one line."""

from __future__ import annotations

import pytest
import torch

from nni_rankreg._util.torch_file import read_torch_file


def test_what_was_saved_is_read(tmp_path):
    torch.save({'a': torch.arange(3), 'b': 'text'}, tmp_path / 'x.pt')
    found = read_torch_file(tmp_path / 'x.pt', 'a checkpoint')
    assert found['a'].tolist() == [0, 1, 2] and found['b'] == 'text'
    with pytest.raises(FileNotFoundError):
        read_torch_file(tmp_path / 'none.pt', 'a checkpoint')


@pytest.mark.parametrize('damage', [
    lambda content: b'', lambda content: content[:len(content) // 2], lambda content: content[9:],
    lambda content: b'hello', lambda content: bytes(len(content)), lambda content: b'{"a": 1}'])
def test_damage(damage, tmp_path):
    torch.save({'a': torch.arange(3)}, tmp_path / 'x.pt')
    (tmp_path / 'x.pt').write_bytes(damage((tmp_path / 'x.pt').read_bytes()))
    message = r'Expected a checkpoint at .*x\.pt, got (an empty|a damaged) file.* Remove it'
    with pytest.raises(ValueError, match=message) as caught:
        read_torch_file(tmp_path / 'x.pt', 'a checkpoint')
    assert '\n' not in str(caught.value) and len(str(caught.value)) < 600
