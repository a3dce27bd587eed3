"""What a table of latencies is of: a space, an input, and where and how networks run."""

from __future__ import annotations

from pathlib import Path

import torch

from ..._util.error import brief
from .table import LatencyTable

__all__ = ['SETTING', 'check_setting', 'make_device']

SETTING = ('fingerprint', 'input', 'device', 'threads', 'backend')
"""Facts of a table that have to be the same."""


def make_device(name: str) -> torch.device:
    """Return a device of PyTorch, which need not be there; ValueError if there is none such."""
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise ValueError(f'Expected a device such as cpu or cuda, got {brief(name)}.') from error


def check_setting(table: LatencyTable, about: dict[str, str], path: Path) -> None:
    """Raise ValueError if a table is not of this space and setting."""
    if table.about.get('fingerprint') != about['fingerprint']:
        raise ValueError(f'Expected a table of this space, {about["space"]}, in {path}, got that '
                         f'of {table.about.get("space", "another")}, whose choices or sizes are '
                         'others.')
    for name in SETTING:
        if table.about.get(name) != about[name]:
            raise ValueError(f'Expected a table of {name} {about[name]} in {path}, got '
                             f'{table.about.get(name)}.')
