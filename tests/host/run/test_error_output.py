"""What has ended a process, from the error output that it has left: real processes."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from nni_rankreg.host.run.error_output import LIMIT, error_of, without_noise


def left_by(code):
    """Return the error output of a Python program that fails."""
    result = subprocess.run([sys.executable, '-W', 'ignore', '-c', code], text=True,
                            stderr=subprocess.PIPE)
    assert result.returncode
    return result.stderr


WARN = ('import warnings, atexit; warnings.simplefilter("default"); '
        'atexit.register(warnings.warn, "There were leaked semaphores")\n')


@pytest.mark.parametrize('code, last', [
    ('raise ValueError("There is no 6.")', 'ValueError: There is no 6.'),
    ('raise RuntimeError("Error:\\n\\tMissing keys: a")', 'RuntimeError: Error: Missing keys: a'),
    ('try:\n  1 / 0\nexcept Exception as e:\n  raise KeyError("x") from e', "KeyError: 'x'"),
    ('class Own(Exception): ...\nraise Own', r'(__main__\.)?Own'),
    ('raise ValueError("x" * 10 ** 6)', 'ValueError: x{1900}'),
])
def test_errors_of_python(code, last):
    log = left_by(WARN + code)
    assert 'leaked' in log
    for noise in ('', 'UserWarning: old\n  warnings.warn("old")\n', '[rank0]: x\n'):
        found = error_of(f'{noise}{log}  warn(\nEpoch 3: 9% 1/9 [00:00<00:01, 5.1it/s]\rEpoch 4\n')
        assert re.match(last, found.splitlines()[-1]), found
        assert len(found) <= LIMIT and 'leaked' not in found


def test_a_prefix_of_each_line_is_no_end():
    log = left_by('def f():\n  raise ValueError("no")\nf()')
    marked = ''.join(f'[rank0]: {line}\n' for line in log.splitlines())
    assert error_of(marked + '[W123 socket] retry').splitlines()[-1] == '[rank0]: ValueError: no'


@pytest.mark.slow
def test_a_crash_in_compiled_code():
    found = error_of(left_by(
        'import ctypes\nfrom nni_rankreg.host.trial import telling_its_end\n'
        'with telling_its_end():\n    ctypes.string_at(0)'))
    assert found.splitlines()[-1] == 'Fatal Python error: Segmentation fault'
    assert '<string>' in found and 'Extension modules' not in found


def test_noise():
    log = 'cannot open /data\n\nUserWarning: old\n  warnings.warn(\n100%| 3/3 [00:01, 2.1it/s]\n'
    assert without_noise(log) == 'cannot open /data' and error_of(log) == ''
