"""The command line, ``nni-rankreg``."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version

from jsonargparse import ArgumentError, ArgumentParser

from .._util.error import one_line
from .._util.log import quiet_host
from ..host.warm.nnictl import run_warm
from .command import Command, read_paths

__all__ = ['main']

_COMMANDS = {
    **{name: Command(name, name) for name in (
        'demo', 'proxies', 'rank', 'register', 'check', 'trial', 'latency', 'report', 'ablate')},
    'list': Command('list', 'list_extensions'),
    'node-options': Command('node_options', 'node_options')}

_OF_ONE_FILE = ('check', 'report')  # whose argument without a default is a word, not an option
_FLAGS = ('--trust', '--unregister', '--full')


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status: 2 for bad input, said in one line.

    Parameters
    ----------
    arguments
        Words of the command line; None takes those of the process, which may then be a trial that
        a warm process runs.

    Examples
    --------
    >>> main(['demo', '--seed', 'x'])
    2
    """
    if arguments is None:
        arguments = sys.argv[1:]
        status = run_warm(arguments)
        if status is not None:
            return status
    quiet_host()
    words = _with_values(arguments)
    try:
        config = _parser().parse_args(words)
        values = read_paths(config[config.subcommand].as_dict())
        if sys.stderr.isatty():
            print(f'nni-rankreg {config.subcommand}: loading ...', file=sys.stderr)
        command = _COMMANDS[config.subcommand].imported()
        quiet_host()        # Lightning sets the level of its log when it is imported
        command(**values)
    except ArgumentError as error:
        print('nni-rankreg:', _in_our_words(one_line(error)), file=sys.stderr)
        return 2
    except (ValueError, OSError) as error:
        print('nni-rankreg:', one_line(error), file=sys.stderr)
        return 2
    return 0


@cache
def _parser() -> ArgumentParser:
    """Return what reads the command line."""
    parser = ArgumentParser('nni-rankreg', version=version('nni_rankreg'), exit_on_error=False,
                            description='One-shot architecture search that ranks better.')
    subcommands = parser.add_subcommands()
    for name, command in _COMMANDS.items():
        declared = command.declared()
        text = re.split(r'\n\n\w+\n---', inspect.getdoc(declared) or '')[0]
        subparser = ArgumentParser(exit_on_error=False, description=text)
        subparser.add_function_arguments(declared, as_group=False,
                                         as_positional=name in _OF_ONE_FILE)
        subcommands.add_subcommand(name, subparser, help=text.split('\n')[0])
    return parser


def _with_values(words: Sequence[str]) -> list[str]:
    """Return the words with a value for the flags, which jsonargparse wants."""
    return [f'{word}=true' if word in _FLAGS and after not in ('true', 'false') else word
            for word, after in zip(words, [*words[1:], ''])]


def _in_our_words(text: str) -> str:
    """Return what jsonargparse says of a value as the rest of the package says it."""
    text = re.sub(r"<class '(\w+)'>|typing\.", r'\1', text.replace('NoneType', 'null'))
    text = re.sub(r'(required:|,) \w+\.', r'\1 ', text)
    text = re.sub(r'^Parser key "(.+?)":', r'\1:', text)
    text = re.sub(r'Expected a (.*)\. Got value: (.*)', r'Expected \1, got \2.', text)
    return re.sub(r'Does not validate against any of the Union subtypes Subtypes: [\[(](.*?)[\])] '
                  r'Errors: .* Given value: (.*)', r'Expected one of \1, got \2.', text)
