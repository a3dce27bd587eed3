"""Where stand-alone results come from."""

from __future__ import annotations

from pathlib import Path
from typing import Union

from ..archive import Archive
from ..typing import Results, metric_sign
from .tabular import TabularBenchmark

__all__ = ['ResultsSource', 'read_results']

ResultsSource = Union[Results, Archive, TabularBenchmark, str, Path]


def read_results(source: ResultsSource, mode: str = 'max') -> Results:
    """Return architectures and metrics, higher is better, of an archive, a table or `Results`.

    Parameters
    ----------
    source
        Where the results are; a path names a CSV file with columns ``sample`` and ``metric``, or
        an archive.
    mode
        ``'max'``, or ``'min'`` if lower metrics are better in `source`: then their sign changes.

    Raises
    ------
    ValueError
        If the mode is neither, or not that of the search that has written the archive.

    Examples
    --------
    >>> read_results(Results([{'op': 'conv'}], [0.9]), 'min').metrics
    [-0.9]
    """
    if isinstance(source, (str, Path)):
        source = (TabularBenchmark.from_csv(source) if Path(source).suffix == '.csv'
                  else Archive(source))
    sign = metric_sign(mode)
    samples, metrics = _read(source, mode)
    return Results(list(samples), [sign * metric for metric in metrics])


def _read(source: Results | Archive | TabularBenchmark, mode: str) -> Results:
    if isinstance(source, TabularBenchmark):
        return source.results
    if not isinstance(source, Archive):
        return source  # a plain list if NNI has sent it to a trial
    if source.mode not in (None, mode):
        raise ValueError(f'Expected mode {source.mode!r} for the metrics of {source.path}, as in '
                         f'its search, got {mode!r}.')
    return source.results()
