"""Headers and rows of CSV files, with the line of what is wrong."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from ..typing import Sample
from .path import user_path

__all__ = ['parse_sample', 'parse_samples', 'read_csv_header', 'read_csv_rows']


def parse_sample(text: str) -> Sample:
    """Return the sample that a JSON text describes."""
    sample = json.loads(text)
    if not isinstance(sample, dict):
        raise ValueError(f'Expected a JSON object, label to choice, got {text}.')
    return sample


def parse_samples(texts: Iterable[str]) -> list[Sample]:
    """Return the samples that JSON texts describe; they share the texts of their labels."""
    texts = list(texts)
    try:
        samples = json.loads(f'[{",".join(texts)}]')
    except ValueError:
        samples = []
    if len(samples) == len(texts) and all(isinstance(one, dict) for one in samples):
        return samples
    return [parse_sample(text) for text in texts]  # tells which of them is wrong


def read_csv_header(path: str | os.PathLike[str]) -> list[str]:
    """Return the names of the columns of a CSV file; an empty file has none."""
    with _reader(path) as reader:
        return list(reader.fieldnames or [])


def read_csv_rows(path: str | os.PathLike[str], columns: Iterable[str]
                  ) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the line number and the fields of each row of a CSV file that has `columns`."""
    with _reader(path) as reader:
        header = list(reader.fieldnames or [])
        for column in columns:
            if column not in header:
                raise ValueError(f'Expected a column {column!r} in {path}, got {header}.')
        for row in reader:
            if None in row or None in row.values():
                raise ValueError(f'Expected {len(header)} fields in line {reader.line_num} of '
                                 f'{path}, got another number.')
            yield reader.line_num, row


@contextmanager
def _reader(path: str | os.PathLike[str]) -> Iterator[csv.DictReader[str]]:
    """Open a file; an error tells if it is no CSV file."""
    with open(user_path(path), newline='', encoding='utf-8-sig') as file:
        try:
            yield csv.DictReader(file)
        except (csv.Error, UnicodeDecodeError) as error:
            raise ValueError(f'Expected a CSV file in UTF-8 at {path}, got: {error}.') from error
