"""What has been measured, as a CSV file that people and other programs read."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from ..._util.csv import read_csv_rows
from ..._util.error import brief
from ..._util.files import replaced_file
from ..._util.path import user_path

__all__ = ['KINDS', 'LatencyTable']

KINDS = ('part', 'network', 'unseen', 'again')
"""What is measured: layers in their place, networks to learn from, unseen ones, these again."""

_COUNTED = 3
_COLUMNS = ('kind', 'name', 'value', 'repeats')


class LatencyTable:
    """Milliseconds, and where and how they were measured.

    Of what is measured several times the mean of the three least counts, of fewer than five that of
    the lower half: what else runs on a machine adds to a time, and a single least one may be a
    mistake of the clock.
    A file has a row for each fact (the kind ``about``: its name and value), and for each thing that
    was measured (its kind, its name as JSON, the milliseconds that count, and all repeats).

    Parameters
    ----------
    about
        Such as machine, threads and date.

    Examples
    --------
    >>> table = LatencyTable({'threads': '1'})
    >>> for milliseconds in (2.5, 2.25, 7., 2.75, 9.):
    ...     table.add('network', {'op': 'conv'}, milliseconds)
    >>> table.milliseconds('network', [{'op': 'conv'}])
    [2.5]
    """

    def __init__(self, about: Mapping[str, str]):
        self.about = dict(about)
        self._repeats: dict[str, dict[str, list[float]]] = {kind: {} for kind in KINDS}

    def add(self, kind: str, name: Mapping[str, Any], milliseconds: float) -> None:
        """Add a repeat."""
        self._repeats[kind].setdefault(_text(name), []).append(milliseconds)

    def repeats(self, kind: str, name: Mapping[str, Any]) -> int:
        """Return how often something has been measured."""
        return len(self._repeats[kind].get(_text(name), ()))

    def names(self, kind: str) -> list[dict[str, Any]]:
        """Return the names of a kind."""
        return list(map(json.loads, self._repeats[kind]))

    def milliseconds(self, kind: str, names: Sequence[Mapping[str, Any]]) -> list[float]:
        """Return the milliseconds that count."""
        return [_counted(self._repeats[kind][_text(name)]) for name in names]

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write a CSV file; another one is replaced when it is complete."""
        path = user_path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replaced_file(path) as part, open(part, 'w', newline='', encoding='utf-8') as file:
            writer = csv.writer(file, lineterminator='\n')
            writer.writerow(_COLUMNS)
            writer.writerows(['about', name, value, ''] for name, value in self.about.items())
            writer.writerows([kind, name, f'{_counted(repeats):.6g}',
                              ' '.join(f'{one:.6g}' for one in repeats)]
                             for kind, found in self._repeats.items()
                             for name, repeats in found.items())

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> LatencyTable:
        """Return the table of a file.

        Raises
        ------
        ValueError
            If it is no such file, or has anything but milliseconds; naming the line.
        """
        table = cls({})
        for line, row in read_csv_rows(path, _COLUMNS):
            where = f'in line {line} of {path}'
            if row['kind'] == 'about':
                table.about[row['name']] = row['value']
            elif row['kind'] in KINDS:
                name = _name(row['name'], where)
                for text in row['repeats'].split() or [row['value']]:
                    table.add(row['kind'], name, _milliseconds(text, row['kind'], where))
            else:
                raise ValueError(f'Expected a kind among {["about", *KINDS]} {where}, got '
                                 f'{brief(row["kind"])}.')
        return table


def _counted(repeats: Sequence[float]) -> float:
    return fmean(sorted(repeats)[:min(_COUNTED, (len(repeats) + 1) // 2)])


def _text(name: Mapping[str, Any]) -> str:
    return json.dumps(name, sort_keys=True)


def _name(text: str, where: str) -> dict[str, Any]:
    try:
        name = json.loads(text)
    except (ValueError, RecursionError):
        name = None
    if not isinstance(name, dict):
        raise ValueError(f'Expected a JSON object as name {where}, got {brief(text)}.')
    return name


def _milliseconds(text: str, kind: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise ValueError(f'Expected milliseconds, at least 0, {where}, got {brief(text)}.')
    if not value and kind != 'part':
        raise ValueError(f'Expected milliseconds of a network above 0 {where}, got {brief(text)}.')
    return value
