"""The command ``nni-rankreg register``: the searches as tuners that NNI finds by name."""

from __future__ import annotations

from pathlib import Path

import yaml

from ..host.run.registry import register_algorithms, unregister_algorithms

__all__ = ['register']


def register(unregister: bool = False) -> None:
    """Make the searches known to NNI as tuners, so that nnictl finds them by name.

    It may be done again, for example after an update. NNI keeps a list for each environment.

    Parameters
    ----------
    unregister
        take them off NNI's list; --unregister alone does it
    """
    text = Path(__file__).with_name('algorithm.yml').read_text(encoding='utf-8')
    algorithms = yaml.safe_load(text)['algorithms']
    path = (unregister_algorithms if unregister else register_algorithms)(algorithms)
    names = ', '.join(one['builtinName'] for one in algorithms)
    print(f'{names}: {"no longer on" if unregister else "on"} NNI\'s list {path}')
