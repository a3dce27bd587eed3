"""The command line: one line and exit status 2 for bad input, never a traceback."""

from __future__ import annotations

import subprocess
import sys

import pytest


def run(*arguments):
    return subprocess.run([sys.executable, '-m', 'nni_rankreg', *arguments],
                          capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize('arguments, message', [
    (('demo', '--seed', 'x'), 'seed'),
    (('demo', '--colour', 'red'), 'colour'),
    (('dance',), 'dance'),
    ((), 'subcommand'),
])
def test_bad_input(arguments, message):
    result = run(*arguments)
    assert result.returncode == 2
    assert len(result.stderr.strip().splitlines()) == 1
    assert result.stderr.startswith('nni-rankreg: ') and message in result.stderr


def test_help_and_version():
    assert 'demo' in run('--help').stdout
    assert run('--version').stdout.split()[-1] == '0.1.0'


def test_foreign_archive_is_refused_and_kept(tmp_path):
    archive = tmp_path / 'results.sqlite'
    archive.write_text('somebody else\'s file')
    result = run('demo', '--out', str(tmp_path))
    assert result.returncode == 2
    assert len(result.stderr.strip().splitlines()) == 1 and 'results.sqlite' in result.stderr
    assert archive.read_text() == 'somebody else\'s file'
