"""Where stand-alone results come from."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ..archive import Archive
from ..sampler.choice import ChoiceSpace
from ..typing import Results, Sample, Space, sample_keys
from .frame import read_frame
from .reader import read_any_csv
from .tabular import TabularBenchmark

__all__ = ['ResultsSource', 'read_csv_results', 'read_results']

ResultsSource = Results | Archive | TabularBenchmark | pd.DataFrame | str | Path


def read_results(source: ResultsSource, mode: str | None = None, space: Space | None = None,
                 what: str = 'result') -> Results:
    """Return architectures and metrics, higher is better, of an archive, a table or `Results`.

    Parameters
    ----------
    source
        Where the results are. A path that ends in ``.csv`` names a file that `read_csv_results`
        reads, another path an archive. A DataFrame has the columns of such a CSV file.
    mode
        ``'max'``, or ``'min'`` if lower metrics are better in `source`: then the sign of metrics
        changes. None is the mode that the source has itself, or ``'max'``.
    space
        Space of the architectures. Their choices become the space's own objects: 8 for 8.0, and a
        tuple for the list that a file has made of it. Repeated architectures get their mean metric,
        and what does not fit the space is refused. None takes architectures as they are.
    what
        How errors call one of the results.

    Raises
    ------
    TypeError
        If the source is of another type.
    ValueError
        If the mode is neither, or the source has another; if a result does not fit the space (the
        error names result and label), or a metric is not finite.

    Examples
    --------
    >>> read_results(Results([{'op': 'conv'}], [0.9]), 'min').metrics
    [-0.9]
    """
    found = _found(source, space)
    if mode is not None and found.mode not in (None, mode):
        where = f' of {source.path}, as in its search' if isinstance(source, Archive) else ''
        raise ValueError(f'Expected mode {found.mode!r} for the metrics{where}, got {mode!r}.')
    if space is not None:
        of = f' of {source}' if isinstance(source, (str, Path)) else ''
        found = ChoiceSpace(space).results(found, what, of)
    return Results(found.samples, found.metrics, found.mode or mode).in_mode('max')


def _found(source: ResultsSource, space: Space | None) -> Results:
    """Return results as the source has them."""
    if isinstance(source, (str, Path)):
        if Path(source).suffix == '.csv':
            return read_csv_results(source, space=space)
        source = Archive(source)
    if isinstance(source, Archive):
        return source.results()
    if isinstance(source, TabularBenchmark):
        return source.results
    if isinstance(source, pd.DataFrame):
        return _means(*read_frame(source, space))
    if isinstance(source, (tuple, list)) and len(source) in (2, 3):
        return Results(*source)    # a plain list if NNI has sent it to a trial
    raise TypeError('Expected an Archive, a table, a DataFrame, Results or the path of a file, got '
                    f'{type(source).__name__}.')


def read_csv_results(path: str | os.PathLike[str], column: str | None = None,
                     space: Space | None = None) -> Results:
    r"""Return the different architectures of a CSV file, each with the mean of its metrics.

    Parameters
    ----------
    path
        A file with a header. It has the column ``sample``, with architectures as JSON; or
        ``arch``, with strings of NAS-Bench-201; or one for each label of the space.
    column
        The column of metrics; None is the mean of the columns that begin with ``metric``.
    space
        For files with a column for each label; None takes all columns but metrics as labels, and
        reads numbers as numbers.

    Raises
    ------
    ValueError
        If there is no such column, or no row, or a row is wrong; the error names its line.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / 'results.csv'
    ...     _ = path.write_text('kernel,norm,metric\n3,batch,1\n5,none,4\n3,batch,2\n')
    ...     read_csv_results(path).metrics
    [1.5, 4.0]
    """
    samples, values = read_any_csv(path, None if column is None else [column], space)
    if not samples:
        raise ValueError(f'Expected at least one architecture in {path}, got none.')
    return _means(samples, values)


def _means(samples: Sequence[Sample], values: np.ndarray) -> Results:
    """Return the different architectures, each with the mean of its values, (N,) or (N, seeds)."""
    means = values.reshape(len(samples), -1).mean(axis=1).tolist()
    keys = sample_keys(samples)
    if len(set(keys)) == len(keys):
        return Results(list(samples), means)
    first: dict[str, Sample] = {}
    metrics: dict[str, list[float]] = {}
    for key, sample, value in zip(keys, samples, means):
        first.setdefault(key, sample)
        metrics.setdefault(key, []).append(value)
    return Results(list(first.values()), [float(np.mean(m)) for m in metrics.values()])
