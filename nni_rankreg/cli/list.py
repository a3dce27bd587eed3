"""What a search can be made of: strategies, regularisers and proxies, here and elsewhere.

Other packages declare theirs as entry points, for example in the group ``nni_rankreg.strategy``. A
search file names strategies and regularisers by their import path, proxies by their name.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from nni.nas.strategy.base import Strategy

from .. import regularizer, strategy
from ..proxy import PROXIES

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
        for name, path, meaning in [*_ours(kind), *_others(kind)]:
            print(f'{kind:12} {name:20} {path:44} {meaning}')


def _ours(kind: str) -> Iterator[tuple[str, str, str]]:
    """Yield name, import path and meaning of what this package has, in the order of the names."""
    found = PROXIES if kind == 'proxy' else _classes(kind)
    for name, one in sorted(found.items()):
        module = one.__module__ if kind == 'proxy' else f'nni_rankreg.{kind}'
        yield name, f'{module}.{name}', _first_line(one)


def _classes(kind: str) -> dict[str, Any]:
    """Return the strategies or the regularisers, without what they are made of."""
    room, base = ((strategy, Strategy) if kind == 'strategy'
                  else (regularizer, regularizer.Regularizer))
    public = {name: getattr(room, name) for name in room.__all__}
    return {name: one for name, one in public.items()
            if inspect.isclass(one) and issubclass(one, base) and one is not base}


def _others(kind: str) -> Iterator[tuple[str, str, str]]:
    """Yield the same of other packages; one that is installed twice declares twice."""
    declared = {(entry.name, entry.value): entry
                for entry in entry_points(group=f'nni_rankreg.{kind}')}
    for _, entry in sorted(declared.items()):
        yield entry.name, entry.value.replace(':', '.'), _meaning(entry)


def _meaning(entry: EntryPoint) -> str:
    """Return the first line of what is declared, or why it cannot be loaded."""
    try:
        return _first_line(entry.load())
    except Exception as error:  # somebody else's package, which must not hide the others
        return f'cannot be loaded: {error}'


def _first_line(one: Any) -> str:
    return re.sub(r':math:|`', '', (one.__doc__ or '').strip().split('\n')[0])
