"""Whatever is in a file: it is read, or refused by a documented exception of one line.

FUZZ_EXAMPLES=5000 in the environment tries more.
"""

from __future__ import annotations

import contextlib
import io
import json
import string

import numpy as np
import pytest
import yaml
from helpers.fuzz import FUZZ
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nni_rankreg._util.npz import named_arrays
from nni_rankreg.archive import Archive, ArchiveError
from nni_rankreg.cli import main
from nni_rankreg.config import ConfigError, read_config
from nni_rankreg.space import decode_nasbench201, encode_nasbench201
from nni_rankreg.table import TabularBenchmark

KEYS = st.sampled_from(['space', 'evaluator', 'strategy', 'class_path', 'init_args', 'parameter',
                        'default', 'x']) | st.text(max_size=3) | st.integers() | st.none()
LEAVES = (st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
          | st.sampled_from(['nni_rankreg.space.NasBench201', 'os.system', 'torch.nn']))
TREES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3)
                     | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12)
SEARCHES = TREES | st.fixed_dictionaries(dict.fromkeys(('space', 'evaluator', 'strategy'), TREES))


def one_line(error):
    return str(error) and '\n' not in str(error)


@FUZZ
@given(SEARCHES)
def test_search_files(tmp_path, tree):
    path = tmp_path / 'search.yml'
    path.write_text(yaml.safe_dump(tree), encoding='utf-8')
    try:
        config = read_config(path)
    except ConfigError as error:
        assert one_line(error)
    else:
        assert set(config) == {'space', 'evaluator', 'strategy'}


@FUZZ
@given(st.binary(max_size=40) | st.integers(0, 600), st.binary(min_size=1, max_size=8))
def test_broken_numpy_archives(tmp_path, content, written):
    path = tmp_path / 'arrays.npz'
    if isinstance(content, int):                # whole but for a few bytes somewhere
        np.savez_compressed(path, one=np.arange(9.), two=np.array(['a', 'b']))
        whole = path.read_bytes()
        content = whole[:content] + written + whole[content + len(written):]
    path.write_bytes(content)
    try:
        arrays = named_arrays(path, ('one', 'two'))
    except ValueError as error:
        assert one_line(error)
    else:
        assert list(arrays) == ['one', 'two']


@pytest.mark.parametrize('save', [
    lambda path: np.savez(path, one=np.array([{}], dtype=object), two=[1]),
    lambda path: np.savez(path, two=[1]),
    lambda path: path.write_bytes(_array_file())])
def test_refused_numpy_archives(tmp_path, save):
    save(tmp_path / 'a.npz')
    with pytest.raises(ValueError, match='Expected (a NumPy archive|the arrays).*got'):
        named_arrays(tmp_path / 'a.npz', ('one', 'two'))


def _array_file():
    file = io.BytesIO()
    np.save(file, np.arange(3))
    return file.getvalue()


@FUZZ
@given(st.binary(max_size=40))
def test_search_files_of_bytes(tmp_path, content):
    path = tmp_path / 'search.yml'
    path.write_bytes(content)
    with pytest.raises(ConfigError) as raised:
        read_config(path)
    assert one_line(raised.value)


CELLS = st.text(max_size=6) | st.floats().map(str) | st.sampled_from(
    ['{"a": 1}', '[]', '{"a": NaN}', '1e999', '"', '\r', '\0'])


@FUZZ
@given(st.lists(st.lists(CELLS, max_size=3), max_size=4), st.booleans())
def test_tables(tmp_path, rows, header):
    path = tmp_path / 'table.csv'
    lines = [','.join(row) for row in rows]
    path.write_text('\n'.join([*(['sample,metric'] if header else []), *lines]), encoding='utf-8',
                    newline='')
    for read in (TabularBenchmark.from_csv, Archive(tmp_path / 'a.sqlite').import_csv):
        try:
            read(path)
        except ValueError as error:
            assert one_line(error)


@FUZZ
@given(st.binary(max_size=60), st.integers(0, 30_000))
@example(b'\x80', 3737)                        # in a name of the schema, which is no UTF-8 then
def test_archives(tmp_path, junk, position):
    """Junk alone, or written over a sound archive somewhere."""
    path = tmp_path / 'junk.sqlite'
    sound = tmp_path / 'sound.sqlite'
    Archive(sound).add({'op': 'conv'}, 0.5)
    content = bytearray(sound.read_bytes())
    content[position:position + len(junk)] = junk
    for written in (junk, bytes(content)):
        path.write_bytes(written)
        try:
            Archive(path).results()
        except ArchiveError as error:
            assert one_line(error)
        for left in tmp_path.glob('junk.sqlite*'):
            left.unlink()


@FUZZ
@given(st.text(alphabet=string.ascii_lowercase + '|+~_0123 ', max_size=60))
def test_cell_strings(text):
    try:
        sample = decode_nasbench201(text)
    except ValueError as error:
        assert one_line(error)
    else:
        assert encode_nasbench201(sample) == text


OPERATIONS = ['none', 'skip_connect', 'conv_1x1', 'conv_3x3', 'avg_pool_3x3']
LABELS = [f'cell/{edge}' for edge in ('0_1', '0_2', '1_2', '0_3', '1_3', '2_3')]


@FUZZ
@given(st.dictionaries(st.sampled_from(LABELS) | st.text(max_size=3),
                       st.sampled_from(OPERATIONS) | LEAVES, max_size=7))
def test_samples_to_encode(sample):
    try:
        text = encode_nasbench201(sample)
    except (ValueError, KeyError) as error:
        assert one_line(error)
    else:
        assert decode_nasbench201(text) == {label: sample[label] for label in LABELS}


@settings(FUZZ, max_examples=25)
@given(TREES, st.sampled_from(['check', 'report']))
def test_command_line(tmp_path, tree, command):
    path = tmp_path / 'file'
    path.write_text(json.dumps(tree), encoding='utf-8')
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors):
        assert main([command, str(path)]) == 2
    message = errors.getvalue()
    assert message.startswith('nni-rankreg: ') and one_line(message.strip())
