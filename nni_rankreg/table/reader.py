"""Architectures with their values, from CSV and NumPy files."""

from __future__ import annotations

import ast
import json
import logging
import math
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from .._util.csv import csv_sample, read_csv_header, read_csv_rows
from .._util.error import brief
from .._util.npz import named_arrays
from ..sampler.choice import ChoiceSpace
from ..sampler.dimension import Dimension
from ..typing import Sample, Space

__all__ = ['Decode', 'read_any_csv', 'read_csv', 'read_npz', 'written_choice']

_logger = logging.getLogger(__name__)

Path = str | os.PathLike[str]
Decode = Callable[[str], Sample]
"""From the text of an architecture to the sample."""

_SPREADSHEET = {'TRUE': 'true', 'FALSE': 'false'}
_NO_LITERAL = (ValueError, SyntaxError, TypeError, MemoryError, RecursionError)


def read_csv(path: Path, columns: Sequence[str] | None = None, decode: Decode | None = None
             ) -> tuple[list[Sample], np.ndarray]:
    """Return the architectures of a CSV file and their values, (N,) or (N, columns).

    `columns` None takes all that begin with metric; `decode` None reads JSON from `sample`,
    otherwise `arch` is decoded.
    """
    columns = _value_columns(path, columns)
    key, parse = ('sample', csv_sample) if decode is None else ('arch', decode)
    return _read_rows(path, columns, [key], lambda row: parse(row[key]))


def read_any_csv(path: Path, columns: Sequence[str] | None = None, space: Space | None = None
                 ) -> tuple[list[Sample], np.ndarray]:
    """Return the same of a file whose header says how it writes the architectures.

    In `sample`, as JSON; in `arch`, as NAS-Bench-201 strings; or in a column for each label of
    `space`, of which None takes all columns but metrics, and what numbers the rows.
    """
    header = read_csv_header(path)
    if 'sample' in header:
        return read_csv(path, columns)
    if 'arch' in header:
        from ..space import decode_nasbench201  # the space takes seconds to import

        return read_csv(path, columns, decode_nasbench201)
    columns = _value_columns(path, columns)
    if space is None:
        labels = [name for name in header
                  if name not in columns and not name.startswith('metric')]
        samples, values = _read_rows(path, columns, labels, lambda row: {
            label: _plain_choice(row[label]) for label in labels})
        return _without_numbering(samples, path), values
    dimensions = ChoiceSpace(space).dimensions
    return _read_rows(path, columns, [one.label for one in dimensions], lambda row: {
        one.label: written_choice(row[one.label], one) for one in dimensions})


def read_npz(path: Path, columns: Sequence[str], decode: Decode, key: str
             ) -> tuple[list[Sample], np.ndarray]:
    """Return the same from a NumPy archive, without the rows that hold a NaN."""
    arrays = named_arrays(path, (key, *columns))
    count = arrays[key].shape
    if len(count) != 1 or any(arrays[name].shape[:1] != count or arrays[name].ndim > 2
                              or arrays[name].dtype.kind not in 'biuf' for name in columns):
        raise ValueError(f'Expected N architectures and numbers (N,) or (N, seeds) in {path}, got '
                         + ', '.join(f'{name} {one.dtype} {one.shape}'
                                     for name, one in arrays.items()) + '.')
    values = np.column_stack([arrays[name].astype(np.float64) for name in columns])
    texts: Any = arrays[key].astype(str)       # bytes become text, too
    kept = ~np.isnan(values).any(axis=1)
    return [decode(str(text)) for text in texts[kept]], _flat(values[kept])


def _without_numbering(samples: list[Sample], path: Path) -> list[Sample]:
    """Leave out what differs in every row, such as an id, if others tell architectures apart."""
    different = {label: len({sample[label] for sample in samples}) for label in samples[0]}
    numbering = [label for label, count in different.items() if count == len(samples)]
    if not numbering or not any(1 < count < len(samples) for count in different.values()):
        return samples
    _logger.warning('%s differs in every row of %s and is taken for no choice. A space says which '
                    'columns are choices.', ', '.join(map(repr, numbering)), path)
    return [{label: choice for label, choice in sample.items() if label not in numbering}
            for sample in samples]


def _value_columns(path: Path, columns: Sequence[str] | None) -> Sequence[str]:
    header = read_csv_header(path)
    columns = columns or [name for name in header if name.startswith('metric')]
    if not columns:
        raise ValueError(f'Expected a column that begins with metric in {path}, or the name of '
                         f'another, got {brief(header)}.')
    return columns


def _read_rows(path: Path, columns: Sequence[str], keys: Sequence[str],
               parse: Callable[[Mapping[str, str]], Sample]) -> tuple[list[Sample], np.ndarray]:
    samples, values = [], []
    for line, row in read_csv_rows(path, [*keys, *columns]):
        try:
            samples.append(parse(row))
            values.append([_finite(row[column]) for column in columns])
        except ValueError as error:
            raise ValueError(f'Expected an architecture with values in line {line} of {path}, '
                             f'got: {error}') from error
    return samples, _flat(np.array(values))


def written_choice(text: str, label: Dimension) -> Any:
    """Return the choice of a label that is written as `text`, in JSON or in Python."""
    for choice in (_literal(text), text):
        with suppress(ValueError):
            return label.canonical(choice)
    raise ValueError(f'{text!r}, which is no choice of {label.label!r}.')


def _plain_choice(text: str) -> Any:
    """Return the number, truth value or tuple of these that a text means, otherwise the text."""
    value = _literal(text)
    return value if all(map(_is_plain, value if isinstance(value, tuple) else [value])) else text


def _is_plain(value: Any) -> bool:
    return (value is None or isinstance(value, (str, bool, int))
            or (isinstance(value, float) and math.isfinite(value)))


def _literal(text: str) -> Any:
    """Return what a text means in JSON, otherwise in Python; if in neither, the text."""
    for parse in (json.loads, ast.literal_eval):
        try:
            return parse(_SPREADSHEET.get(text, text))
        except _NO_LITERAL:
            continue
    return text


def _finite(text: str) -> float:
    if '_' in text:                            # Python reads 1_000, which nobody has meant
        raise ValueError(f'the value {brief(text)}, which is no number.')
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f'the value {text}, which is not finite.')
    return value


def _flat(values: np.ndarray) -> np.ndarray:
    return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
