"""The command line: one line and exit status 2 for bad input, never a traceback."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path
from typing import get_type_hints

import pytest
from helpers.places import ROOT

from nni_rankreg import __version__
from nni_rankreg.cli import _COMMANDS, main


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


@pytest.mark.slow
def test_a_check_says_one_line(tmp_path):
    """Lightning, which it imports late, tells nothing of GPUs."""
    result = subprocess.run(
        [sys.executable, '-m', 'nni_rankreg', 'check', str(ROOT / 'examples/nnictl/search.yml')],
        cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0 and not result.stderr
    assert result.stdout.endswith('search.yml: fine\n') and result.stdout.count('\n') == 1


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


@pytest.mark.parametrize('arguments, status, expected', [
    (['--help'], 0, 'Draw the cells'),
    (['rank', '--help'], 0, 'Prints the best, and how well'),      # more than the first line
    (['rank', '--colour', 'red'], 2, 'recognized arguments: --colour'),
    (['latency'], 2, 'required'),
    (['rank', '--table', 'results.csv', '--top', '1.5'], 2, 'top: Expected int, got 1.5.'),
    (['demo', '--port', 'x'], 2, 'port: Expected one of int, null, got x.'),
    (['proxies', '--truth', 'none.csv'], 2, 'as truth, got none.csv, which is not there'),
    (['rank', '--table', 'results.csv', '--space', 'none.json'], 2, 'as space, got none.json'),
    (['check', 'none.yml'], 2, 'as config, got none.yml'),
    (['report', '$HOME/none.sqlite'], 2, '/none.sqlite, which is not there'),
    (['trial', '--config', 'none.yml'], 2, 'as config, got none.yml'),
    (['ablate', '--data', 'none'], 2, 'as data, got none'),
    (['node-options'], 0, '--require='),
])
def test_words_are_checked_before_anything_that_takes_seconds(arguments, status, expected,
                                                              tmp_path):
    (tmp_path / 'results.csv').touch()
    program = ('import sys\nfrom nni_rankreg.cli import main\n'
               'try:\n    status = main(sys.argv[1:])\nexcept SystemExit as exit:\n'
               '    status = exit.code\n'
               'print(sorted({"torch", "nni", "pandas", "matplotlib"} & set(sys.modules)))\n'
               'sys.exit(status)')
    result = subprocess.run([sys.executable, '-c', program, *arguments], cwd=tmp_path, text=True,
                            capture_output=True)
    assert result.returncode == status
    assert expected in ' '.join((result.stdout + result.stderr).split())
    assert result.stdout.splitlines()[-1] == '[]'


def test_all_commands_are_declared_as_they_are():
    """What is read of a module is what its import gives."""
    for command in _COMMANDS.values():
        declared, imported = command.declared(), command.imported()
        assert inspect.signature(declared).parameters.keys() == (
            inspect.signature(imported).parameters.keys())
        assert get_type_hints(declared) == get_type_hints(imported)
        assert declared.__doc__ == imported.__doc__
        assert declared.__defaults__ == imported.__defaults__


def test_completion_of_all_commands():
    pytest.importorskip('shtab')
    pytest.importorskip('jsonargparse', '4.47')
    environment = {**os.environ, 'JSONARGPARSE_ADD_PRINT_COMPLETION_ARGUMENT': 'true'}
    script = subprocess.run(
        [sys.executable, '-W', 'ignore', '-m', 'nni_rankreg', '--print_completion=shtab-bash'],
        capture_output=True, text=True, check=True, env=environment).stdout
    assert '--minutes' in script and '--archive' not in script      # that one is a word of report
    subprocess.run(['bash', '-n'], input=script, text=True, check=True)
