"""What a search can be made of: strategies, regularisers and proxies, here and elsewhere.

Other packages declare theirs under the same groups of entry points; a search file names strategies
and regularisers by their import path, proxies by their name.
"""

from __future__ import annotations

import re
from importlib.metadata import EntryPoint, entry_points

__all__ = ['GROUPS', 'list_extensions']

GROUPS = ('strategy', 'regularizer', 'proxy')
"""Kinds; the group of entry points is ``nni_rankreg.`` and the kind."""


def list_extensions() -> None:
    """List the strategies, regularisers and proxies that are installed.

    Examples
    --------
    >>> list_extensions()                                      # doctest: +ELLIPSIS
    strategy     AceNAS               nni_rankreg.strategy.AceNAS ...
    """
    for kind in GROUPS:
        for entry in _entries(kind):
            path = entry.value.replace(':', '.')
            print(f'{kind:12} {entry.name:20} {path:44} {_meaning(entry)}')


def _entries(kind: str) -> list[EntryPoint]:
    """Return what is declared, ours first; a package installed twice declares twice."""
    entries = {(entry.name, entry.value): entry
               for entry in entry_points(group=f'nni_rankreg.{kind}')}
    return sorted(entries.values(),
                  key=lambda entry: (not entry.value.startswith('nni_rankreg.'), entry.name))


def _meaning(entry: EntryPoint) -> str:
    """Return the first line of what is declared, or why it cannot be loaded."""
    try:
        meaning = (entry.load().__doc__ or '').strip().split('\n')[0]
    except Exception as error:  # somebody else's package, which must not hide the others
        return f'cannot be loaded: {error}'
    return re.sub(r':math:|`', '', meaning)
