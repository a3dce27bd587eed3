"""Where stand-alone results come from."""

from __future__ import annotations

from pathlib import Path
from typing import Union

from ..archive import Archive
from ..typing import Results
from .tabular import TabularBenchmark

__all__ = ['ResultsSource', 'read_results']

ResultsSource = Union[Results, Archive, TabularBenchmark, str, Path]


def read_results(source: ResultsSource, mode: str | None = None) -> Results:
    """Return architectures and metrics, higher is better, of an archive, a table or `Results`.

    Parameters
    ----------
    source
        Where the results are; a path names a CSV file with columns ``sample`` and ``metric``, or
        an archive.
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
        source = (TabularBenchmark.from_csv(source) if Path(source).suffix == '.csv'
                  else Archive(source))
    if isinstance(source, (Archive, TabularBenchmark)):
        found = source.results() if isinstance(source, Archive) else source.results
    else:
        found = Results(*source)  # a plain list if NNI has sent it to a trial
    if mode is not None and found.mode not in (None, mode):
        where = f' of {source.path}, as in its search' if isinstance(source, Archive) else ''
        raise ValueError(f'Expected mode {found.mode!r} for the metrics{where}, got {mode!r}.')
    return Results(found.samples, found.metrics, found.mode or mode).in_mode('max')
