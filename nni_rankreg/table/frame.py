"""Architectures with their values, from a DataFrame of pandas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from .._util.csv import parse_sample
from ..sampler.choice import ChoiceSpace
from ..typing import Sample, Space
from .reader import written_choice

__all__ = ['read_frame']


def read_frame(frame: pd.DataFrame, space: Space | None = None) -> tuple[list[Sample], np.ndarray]:
    """Return the architectures of a DataFrame and their values, (N, columns).

    It has the columns of a CSV file that `read_csv_results` reads: ``sample``, as dicts or as JSON;
    ``arch``, as strings of NAS-Bench-201; or one for each label of `space`, of which None takes all
    that do not begin with ``metric``.

    Raises
    ------
    ValueError
        If there is no such column, or no row; naming a value that is no number.

    Examples
    --------
    >>> samples, values = read_frame(pd.DataFrame({'kernel': [3, 5], 'metric': [0.9, 0.1]}))
    >>> samples[0], values.tolist()
    ({'kernel': 3}, [[0.9], [0.1]])
    """
    header = list(map(str, frame.columns))
    metrics = [name for name in header if name.startswith('metric')]
    if not metrics or not len(frame):
        raise ValueError('Expected a DataFrame with a row and a column that begins with metric, '
                         f'got {len(frame)} rows and {header[:20]}.')
    frame = frame.set_axis(header, axis='columns')
    try:
        values = frame[metrics].to_numpy(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f'Expected numbers in the columns {metrics} of a DataFrame, got: '
                         f'{error}.') from error
    if 'sample' in header:
        return [one if isinstance(one, dict) else parse_sample(one)
                for one in frame['sample']], values
    if 'arch' in header:
        from ..space import decode_nasbench201  # the space takes seconds to import

        return list(map(decode_nasbench201, frame['arch'])), values
    return _samples(frame.drop(columns=metrics), space), values


def _samples(frame: pd.DataFrame, space: Space | None) -> list[Sample]:
    """Return the architectures of a frame with a column for each label."""
    rows: list[Any] = frame.to_dict('records')
    if space is None:
        return rows
    labels = ChoiceSpace(space).dimensions
    missing = [one.label for one in labels if one.label not in frame]
    if missing:
        raise ValueError(f'Expected a column {missing[0]!r} in a DataFrame of results, got '
                         f'{list(frame.columns)[:20]}.')
    return [{one.label: written_choice(row[one.label], one) if isinstance(row[one.label], str)
             else row[one.label] for one in labels} for row in rows]
