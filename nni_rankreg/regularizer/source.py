"""Where stand-alone results come from."""

from __future__ import annotations

from pathlib import Path
from typing import Union

from ..archive import Archive
from ..benchmark import TabularBenchmark
from ..typing import Results

__all__ = ['ResultsSource', 'read_results']

ResultsSource = Union[Results, Archive, TabularBenchmark, str, Path]


def read_results(source: ResultsSource) -> Results:
    """Return the architectures and metrics of an archive, a table, a CSV file or `Results`.

    Parameters
    ----------
    source
        Where the results are; a path names a CSV file with columns ``sample`` and ``metric``, or
        an archive.

    Examples
    --------
    >>> read_results(Results([{'op': 'conv'}], [0.9])).metrics
    [0.9]
    """
    if isinstance(source, (str, Path)):
        source = (TabularBenchmark.from_csv(source) if Path(source).suffix == '.csv'
                  else Archive(source))
    if isinstance(source, Archive):
        return source.results()
    if isinstance(source, TabularBenchmark):
        return source.results
    return Results(*source)  # a plain list if NNI has sent it to a trial
