"""Where stand-alone results come from."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np

from ..archive import Archive
from ..typing import Results, Space, sample_key
from .reader import read_any_csv
from .tabular import TabularBenchmark

__all__ = ['ResultsSource', 'read_csv_results', 'read_results']

ResultsSource = Results | Archive | TabularBenchmark | str | Path


def read_results(source: ResultsSource, mode: str | None = None) -> Results:
    """Return architectures and metrics, higher is better, of an archive, a table or `Results`.

    Parameters
    ----------
    source
        Where the results are; a path names a file that `read_csv_results` reads, if it ends in
        ``.csv``, or an archive.
    mode
        ``'max'``, or ``'min'`` if lower metrics are better in `source`: then their sign changes.
        None is what the source says of itself, or ``'max'``.

    Raises
    ------
    ValueError
        If the mode is neither, or the source says another.

    Examples
    --------
    >>> read_results(Results([{'op': 'conv'}], [0.9]), 'min').metrics
    [-0.9]
    """
    if isinstance(source, (str, Path)):
        source = (read_csv_results(source) if Path(source).suffix == '.csv'
                  else Archive(source))
    if isinstance(source, (Archive, TabularBenchmark)):
        found = source.results() if isinstance(source, Archive) else source.results
    else:
        found = Results(*source)  # a plain list if NNI has sent it to a trial
    if mode is not None and found.mode not in (None, mode):
        where = f' of {source.path}, as in its search' if isinstance(source, Archive) else ''
        raise ValueError(f'Expected mode {found.mode!r} for the metrics{where}, got {mode!r}.')
    return Results(found.samples, found.metrics, found.mode or mode).in_mode('max')


def read_csv_results(path: str | os.PathLike[str], column: str | None = None,
                     space: Space | None = None) -> Results:
    r"""Return the different architectures of a CSV file, each with the mean of its metrics.

    Parameters
    ----------
    path
        A file with a header. It has the column ``sample``, with architectures as JSON; or
        ``arch``, with strings of NAS-Bench-201; or one for each label of the space.
    column
        The column of metrics; None is the mean of those that begin with ``metric``.
    space
        For files with a column for each label; None takes all other columns, and numbers in them
        as numbers.

    Raises
    ------
    ValueError
        If there is no such column, or no row; naming the line of a row that is wrong.

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
    metrics: dict[str, list[float]] = {}
    for sample, value in zip(samples, values.reshape(len(samples), -1).mean(axis=1).tolist()):
        metrics.setdefault(sample_key(sample), []).append(value)
    return Results(list(map(json.loads, metrics)), [float(np.mean(m)) for m in metrics.values()])
