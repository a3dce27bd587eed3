"""Headers and rows of CSV files, with the line of what is wrong."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from ..typing import Sample
from .error import brief
from .path import user_path

__all__ = ['csv_sample', 'parse_sample', 'parse_samples', 'read_csv_header',
           'read_csv_rows']

_PART = 1000   # texts that are parsed together, which is quicker than one by one
_UNNAMED = ''
_OTHER_COMMAS = {';': 'semicolons', '\t': 'tabs', '|': 'bars'}


def parse_sample(text: str) -> Sample:
    """Return the sample that a JSON text describes."""
    try:
        sample = _parse(text)
    except RecursionError:
        raise ValueError(f'Expected a JSON object, got one that is nested too deep: {brief(text)}.'
                         ) from None
    if not isinstance(sample, dict):
        raise ValueError(f'Expected a JSON object, label to choice, got {brief(text)}.')
    return sample


def parse_samples(texts: Iterable[str]) -> list[Sample]:
    """Return the samples that JSON texts describe; equal choices of a label are one object."""
    rest, samples = iter(texts), list[Sample]()
    while part := list(islice(rest, _PART)):
        found = _parse_by_label(part)
        samples += map(parse_sample, part) if found is None else found
    return samples


def _parse_by_label(texts: list[str]) -> list[Sample] | None:
    """Return what `parse_sample` does of each, several times as fast; None if it cannot.

    That is if they have not the labels of the first in its order, or are spaced in another way.
    Each different choice of a label is parsed once. No text within JSON has a comma, a space and
    a quotation mark that is not escaped.
    """
    if not all(text[:2] == '{"' and text[-1] == '}' for text in texts):
        return None
    try:
        labels = list(parse_sample(texts[0]))
        starts = [f'{json.dumps(label)[1:]}: ' for label in labels]
        columns = list(zip(*(text[2:-1].split(', "') for text in texts), strict=True))
        chosen = [_choices(start, column) for start, column in zip(starts, columns, strict=True)]
    except (ValueError, RecursionError):
        return None
    return [dict(zip(labels, choices)) for choices in zip(*chosen)]


def _choices(start: str, fields: Sequence[str]) -> list[Any]:
    """Return the choices of a label, each after `start`; raise ValueError if that is missing."""
    if not all(field.startswith(start) for field in set(fields)):
        raise ValueError
    known = {field: _parse(field[len(start):]) for field in set(fields)}
    return [known[field] for field in fields]


def _parse(text: str) -> Any:
    return json.loads(text, parse_constant=_infinity)


def csv_sample(text: str) -> Sample:
    """Return the sample of a cell, which has at least one label."""
    sample = parse_sample(text)
    if not sample:
        raise ValueError('Expected a JSON object, label to choice, got an empty one.')
    return sample


def _infinity(constant: str) -> float:
    """Return the infinity of this name, such as the order of a norm; NaN is no choice."""
    if constant == 'NaN':
        raise ValueError('Expected choices, got NaN, which is none.')
    return float(constant)


def read_csv_header(path: str | os.PathLike[str]) -> list[str]:
    """Return the names of the columns of a CSV file; an empty file has none.

    A column without a name, such as the index that pandas writes, is left out.

    Raises
    ------
    ValueError
        If it is no CSV file in UTF-8, or two columns have the same name.
    """
    with _reader(path) as (header, _):
        return [name for name in header if name != _UNNAMED]


def read_csv_rows(path: str | os.PathLike[str], columns: Iterable[str]
                  ) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the line number and the fields of each row of a CSV file that has `columns`.

    Raises
    ------
    ValueError
        As `read_csv_header`; also if a column is missing, there is no row, or one that has not the
        columns of the header or repeats them.
    """
    with _reader(path) as (header, reader):
        known = [name for name in header if name != _UNNAMED]
        for column in columns:
            if column not in known:
                raise ValueError(f'Expected a column {column!r} in {path}, got {brief(known)}.')
        count = 0
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                raise ValueError(f'Expected {len(header)} fields in line {reader.line_num} of '
                                 f'{path}, got another number.')
            if any('\0' in text for text in row):
                raise ValueError(f'Expected text in line {reader.line_num} of {path}, got a zero '
                                 'byte.')
            if _names(row) == header:
                raise ValueError(f'Expected the header once, got it again in line '
                                 f'{reader.line_num} of {path}.')
            count += 1
            yield reader.line_num, {name: text for name, text in zip(header, row)
                                    if name != _UNNAMED}
        if not count:
            raise ValueError(f'Expected rows below the header, line {max(1, reader.line_num)} of '
                             f'{path}, got none.')


@contextmanager
def _reader(path: str | os.PathLike[str]) -> Iterator[tuple[list[str], Any]]:
    """Yield the header of a file, and what reads the rows below; errors name the line."""
    path = user_path(path)
    with open(path, newline='', encoding='utf-8-sig') as file:
        reader = csv.reader(file)
        try:
            header = _names(next((row for row in reader if row), []))
            _check_header(header, reader.line_num, path)
            yield header, reader
        except csv.Error as error:
            raise ValueError(f'Expected a CSV file, got an error in line {reader.line_num} of '
                             f'{path}: {error}.') from error
        except UnicodeDecodeError as error:
            raise ValueError(f'Expected a CSV file in UTF-8, got {_other_encoding(path)}. Save it '
                             'as UTF-8.') from error


def _names(row: list[str]) -> list[str]:
    return [name.strip() for name in row]


def _check_header(header: list[str], line: int, path: Path) -> None:
    named = [name for name in header if name != _UNNAMED]
    twice = sorted({name for name in named if named.count(name) > 1})
    if twice:
        raise ValueError(f'Expected each column once in line {line} of {path}, got '
                         f'{brief(twice)} more than once.')
    for mark, name in _OTHER_COMMAS.items():
        if len(header) == 1 and mark in header[0]:
            raise ValueError(f'Expected commas between the columns in line {line} of {path}, got '
                             f'{name}.')


def _other_encoding(path: Path) -> str:
    """Return what is not UTF-8 in a file, with its line."""
    content = path.read_bytes()
    if content[:2] in (b'\xff\xfe', b'\xfe\xff'):
        return f'UTF-16 from line 1 of {path} on'
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b'\n', 0, error.start) + 1
        return f'the byte {content[error.start]:#x} in line {line} of {path}, as in Latin-1'
    return f'another encoding in {path}'
