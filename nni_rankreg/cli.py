"""The command line: ``nni-rankreg demo``, ``nni-rankreg proxies``, ``nni-rankreg rank``."""

from __future__ import annotations

import logging
import sys
import warnings
from importlib.metadata import version
from typing import Callable, Sequence

from jsonargparse import ArgumentError, ArgumentParser

__all__ = ['main']


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
    from .demo import demo  # after the host's warnings are silenced; it takes seconds to import
    from .proxy_table import proxies
    from .rank import rank
    quiet_host()            # Lightning sets the level of its log when it is imported
    commands: dict[str, Callable[..., None]] = {
        'demo': demo, 'proxies': proxies, 'rank': rank}
    parser = ArgumentParser('nni-rankreg', version=version('nni_rankreg'), exit_on_error=False,
                            description='One-shot architecture search that ranks correctly.')
    subcommands = parser.add_subcommands()
    for name, function in commands.items():
        subparser = ArgumentParser(exit_on_error=False)
        subparser.add_function_arguments(function)
        subcommands.add_subcommand(name, subparser, help=(function.__doc__ or '').split('\n')[0])
    try:
        config = parser.parse_args(arguments)
        commands[config.subcommand](**config[config.subcommand].as_dict())
    except (ArgumentError, ValueError, OSError) as error:
        print('nni-rankreg:', ' '.join(str(error).split()), file=sys.stderr)
        return 2
    return 0


def quiet_host() -> None:
    """Show our log; silence warnings of the host that a user can do nothing about."""
    warnings.filterwarnings('ignore', module='nni|pytorch_lightning|lightning|torch')
    for name in ('pytorch_lightning', 'lightning.pytorch', 'lightning.fabric'):
        logging.getLogger(name).setLevel(logging.ERROR)
    logger = logging.getLogger('nni_rankreg')
    logger.setLevel(logging.INFO)
    logger.propagate = False
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(logging.Formatter('%(asctime)s %(message)s', '%H:%M:%S'))
        logger.addHandler(handler)


if __name__ == '__main__':
    sys.exit(main())
