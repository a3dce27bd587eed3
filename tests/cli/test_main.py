"""The command line: one line and exit status 2 for bad input, never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nni_rankreg import __version__
from nni_rankreg.cli import main


@pytest.fixture
def refused(capsys):
    """Return a function: arguments -> the one line that says what is wrong with them."""
    def program(*arguments):
        assert main(arguments) == 2
        line, = capsys.readouterr().err.strip().splitlines()
        return line
    return program


@pytest.mark.parametrize('arguments, message', [
    (('demo', '--seed', 'x'), 'seed'),
    (('demo', '--colour', 'red'), 'colour'),
    (('dance',), 'dance'),
    ((), 'subcommand'),
])
def test_bad_input(arguments, message, refused):
    line = refused(*arguments)
    assert line.startswith('nni-rankreg: ') and message in line


@pytest.mark.slow
def test_program():
    """Nothing that the commands import adds a line."""
    result = subprocess.run([sys.executable, '-m', 'nni_rankreg'], capture_output=True, text=True,
                            timeout=300)
    line, = result.stderr.strip().splitlines()
    assert result.returncode == 2
    assert line.startswith('nni-rankreg: ') and 'subcommand' in line


def test_help_and_version(capsys):
    words = []
    for option in ('--help', '--version'):
        with pytest.raises(SystemExit) as raised:
            main([option])
        assert raised.value.code == 0
        words.append(capsys.readouterr().out.split())
    assert {'register', 'check', 'trial', 'report', 'demo', 'proxies'} <= set(words[0])
    assert words[1][-1] == __version__


def test_node_options(capsys):
    assert main(['node-options']) == 0
    option, path = capsys.readouterr().out.strip().strip('"').split('=')
    assert option == '--require' and Path(path).read_text().startswith("'use strict';")


def test_foreign_archive_is_refused_and_kept(tmp_path, refused):
    archive = tmp_path / 'results.sqlite'
    archive.write_text("somebody else's file")
    assert 'results.sqlite' in refused('demo', '--out', str(tmp_path))
    assert archive.read_text() == "somebody else's file"


def test_help_imports_nothing_that_takes_seconds():
    program = ('import sys\nfrom nni_rankreg.cli import main\n'
               'try:\n    main(["--help"])\nexcept SystemExit:\n    pass\n'
               'print(sorted({"torch", "nni", "pandas", "matplotlib"} & set(sys.modules)))')
    output = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True,
                            check=True).stdout
    assert 'Draw the cells' in ' '.join(output.split()) and output.splitlines()[-1] == '[]'


def test_completion_of_all_commands():
    pytest.importorskip('shtab')
    pytest.importorskip('jsonargparse', '4.47')
    environment = {**os.environ, 'JSONARGPARSE_ADD_PRINT_COMPLETION_ARGUMENT': 'true'}
    script = subprocess.run(
        [sys.executable, '-W', 'ignore', '-m', 'nni_rankreg', '--print_completion=shtab-bash'],
        capture_output=True, text=True, check=True, env=environment).stdout
    assert '--minutes' in script and '--archive' not in script      # that one is a word of report
    subprocess.run(['bash', '-n'], input=script, text=True, check=True)
