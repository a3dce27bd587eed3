"""The command line, ``nni-rankreg``."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from jsonargparse import ArgumentError, ArgumentParser

from .._util.error import one_line
from .._util.log import quiet_host
from .._util.path import user_path

__all__ = ['main']

_COMMANDS = {
    'demo': 'demo.demo', 'proxies': 'proxies.proxies', 'rank': 'rank.rank',
    'register': 'register.register', 'check': 'check.check', 'trial': 'trial.trial',
    'latency': 'latency.latency', 'report': 'report.report', 'ablate': 'ablate.ablate',
    'list': 'list.list_extensions', 'node-options': 'node_options.node_options'}
"""Command -> its function."""

_OF_ONE_FILE = ('check', 'report')  # whose argument without a default is a word, not an option
_FLAGS = ('--trust', '--unregister', '--full')


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status: 2 for bad input, said in one line.

    Parameters
    ----------
    arguments
        Words of the command line; None takes those of the process.

    Examples
    --------
    >>> main(['demo', '--seed', 'x'])
    2
    """
    quiet_host()
    words = _with_values(sys.argv[1:] if arguments is None else arguments)
    complete = any(word.startswith('--print_completion') for word in words)
    commands = {name: _command(name) for name in _COMMANDS if complete or name in words[:1]}
    quiet_host()            # Lightning sets the level of its log when it is imported
    parser = ArgumentParser('nni-rankreg', version=version('nni_rankreg'), exit_on_error=False,
                            description='One-shot architecture search that ranks correctly.')
    subcommands = parser.add_subcommands()
    for name in _COMMANDS:
        subparser = ArgumentParser(exit_on_error=False)
        if name in commands:
            subparser.add_function_arguments(commands[name], as_positional=name in _OF_ONE_FILE)
        subcommands.add_subcommand(name, subparser, help=_meaning(name))
    try:
        config = parser.parse_args(words)
        values = config[config.subcommand].as_dict().items()
        commands[config.subcommand](**{name: user_path(value) if isinstance(value, Path) else value
                                       for name, value in values})
    except (ArgumentError, ValueError, OSError) as error:
        print('nni-rankreg:', one_line(error), file=sys.stderr)
        return 2
    return 0


def _with_values(words: Sequence[str]) -> list[str]:
    """Return the words with a value for the flags, which jsonargparse wants."""
    return [f'{word}=true' if word in _FLAGS and after not in ('true', 'false') else word
            for word, after in zip(words, [*words[1:], ''])]


def _command(name: str) -> Callable[..., None]:
    """Import the function of a command, after a word to who watches: that takes seconds."""
    if sys.stderr.isatty():
        print(f'nni-rankreg {name}: loading ...', file=sys.stderr)
    module, function = _COMMANDS[name].rsplit('.', 1)
    return getattr(importlib.import_module(f'.{module}', __name__), function)


def _meaning(name: str) -> str:
    """Return the first line of what a command says of itself, without an import of it."""
    module, function = _COMMANDS[name].rsplit('.', 1)
    tree = ast.parse(Path(__file__).with_name(f'{module}.py').read_text(encoding='utf-8'))
    text = next(ast.get_docstring(one) for one in tree.body
                if isinstance(one, ast.FunctionDef) and one.name == function)
    return (text or '').split('\n')[0]
