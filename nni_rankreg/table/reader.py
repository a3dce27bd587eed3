"""Reading of tables of architectures from CSV and NumPy files."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .._util.csv import parse_sample, read_csv_rows
from .._util.npz import named_arrays
from ..typing import Sample

__all__ = [
    'Decode', 'UnknownArchitectureError', 'read_csv', 'read_npz',
]

Path = str | os.PathLike[str]
Decode = Callable[[str], Sample]
"""From the text of an architecture to the sample."""


class UnknownArchitectureError(KeyError):
    """An architecture that the table does not hold."""

    def __str__(self) -> str:
        return str(self.args[0])               # KeyError would print quotes around the message


def read_csv(path: Path, columns: Sequence[str] | None, decode: Decode | None
             ) -> tuple[list[Sample], np.ndarray]:
    """Return the architectures of a CSV file and their values, (N,) or (N, columns).

    `columns` None takes all that begin with metric; `decode` None reads JSON from `sample`,
    otherwise `arch` is decoded.
    """
    key, parse = ('sample', parse_sample) if decode is None else ('arch', decode)
    samples, values = [], []
    for line, row in read_csv_rows(path, [key, *(columns or [])]):
        columns = columns or [field for field in row if field.startswith('metric')]
        if not columns:
            raise ValueError(f'Expected a column that begins with metric in {path}, got '
                             f'{list(row)}.')
        try:
            samples.append(parse(row[key]))
            values.append([_finite(row[column]) for column in columns])
        except ValueError as error:
            raise ValueError(f'Expected an architecture with values in line {line} of {path}, '
                             f'got: {error}') from error
    return samples, _flat(np.array(values))


def read_npz(path: Path, columns: Sequence[str], decode: Decode, key: str
             ) -> tuple[list[Sample], np.ndarray]:
    """Return the same from a NumPy archive, without the rows that hold a NaN."""
    arrays = named_arrays(path, (key, *columns))
    values = np.column_stack([arrays[name].astype(np.float64) for name in columns])
    texts: Any = arrays[key].astype(str)       # bytes become text, too
    kept = ~np.isnan(values).any(axis=1)
    return [decode(str(text)) for text in texts[kept]], _flat(values[kept])


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f'the value {text}, which is not finite.')
    return value


def _flat(values: np.ndarray) -> np.ndarray:
    return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
