"""What a table of latencies is of: a space, an input, and where and how networks run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from ..._util.error import brief
from .table import LatencyTable

__all__ = ['SETTING', 'check_setting', 'make_device']

SETTING = ('fingerprint', 'input', 'device', 'threads', 'backend')
"""Facts of a table that have to be the same."""

_NAMED = 3  # differences in a message


def make_device(name: Any) -> torch.device:
    """Return a device of PyTorch, which need not be there; ValueError if there is none such."""
    try:
        return torch.device(name)
    except (RuntimeError, TypeError) as error:
        raise ValueError(f'Expected a device such as cpu or cuda, got {brief(name)}.') from error


def check_setting(table: LatencyTable, about: dict[str, str], path: Path) -> None:
    """Raise ValueError if a table is not of this space and setting."""
    if table.about.get('fingerprint') != about['fingerprint']:
        raise ValueError(f'Expected a table of this space, {about["space"]}, in {path}, got that '
                         f'of {_other_space(table.about, about)}.')
    for name in SETTING:
        if table.about.get(name) != about[name]:
            raise ValueError(f'Expected a table of {name} {about[name]} in {path}, got '
                             f'{table.about.get(name)}.')


def _other_space(found: dict[str, str], wanted: dict[str, str]) -> str:
    """Return what tells the space of a table from the one that is wanted: its name, or sizes."""
    name = found.get('space', 'another')
    if name != wanted['space']:
        return name
    for fact in ('arguments', 'choices'):
        theirs, ours = (_named_texts(about.get(fact, '')) for about in (found, wanted))
        differ = [one for one in {**theirs, **ours} if theirs.get(one) != ours.get(one)]
        if theirs and differ:
            return f'{name} with the {fact} ' + ', '.join(
                f'{one} {theirs.get(one, "missing")} in place of {ours.get(one, "none")}'
                for one in differ[:_NAMED])
    return f'{name} with other choices or sizes'


def _named_texts(text: str) -> dict[str, str]:
    """Return name -> text of a fact in JSON; nothing if the table has none that can be read."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
