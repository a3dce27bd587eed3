"""Weak labels: what is known at next to no cost about thousands of architectures."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from .._util.csv import csv_sample, read_csv_rows
from .._util.path import user_path
from ..sampler.choice import ChoiceSpace
from ..typing import Sample, Space, sample_key

__all__ = ['WeakLabels', 'WeakSource', 'read_weak']


class WeakLabels(NamedTuple):
    """N architectures and their labels, such as FLOPs or the accuracy by a super-net.

    Examples
    --------
    >>> weak = WeakLabels([{'op': 'conv'}, {'op': 'pool'}], {'flops': [7., float('nan')]})
    >>> weak.finite()
    WeakLabels(samples=[{'op': 'conv'}], labels={'flops': [7.0]})
    """

    samples: list[Sample]
    """Length N."""
    labels: dict[str, list[float]]
    """Name -> one label for each sample, length N."""

    def finite(self) -> WeakLabels:
        """Return the architectures all of whose labels are finite."""
        good = np.isfinite(list(self.labels.values())).all(axis=0)
        rows = np.arange(len(self.samples))[good]
        return WeakLabels([self.samples[row] for row in rows],
                          {name: [values[row] for row in rows]
                           for name, values in self.labels.items()})

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write a CSV file, which `read_weak` reads: sample, as JSON, and a column for each."""
        pd.DataFrame({'sample': list(map(sample_key, self.samples)), **self.labels}
                     ).to_csv(user_path(path), index=False)


WeakSource = WeakLabels | str | Path


def read_weak(source: WeakSource, space: Space | None = None) -> WeakLabels:
    """Return weak labels, those of a CSV file if `source` is its path.

    Parameters
    ----------
    source
        Of a file, the column `sample` has the architectures, as JSON; every other is a label, the
        first the one closest to the true performance.
    space
        Whose architectures they are: their choices become its own objects. None takes them as they
        are.

    Raises
    ------
    ValueError
        If the file has no such columns; naming the line of an entry that is none, or what does not
        fit the space.
    """
    if not isinstance(source, WeakLabels):
        source = _read_file(source)
    if space is None:
        return source
    canonical = ChoiceSpace(space).canonical
    return WeakLabels([canonical(sample, f'weakly labelled architecture {number}')
                       for number, sample in enumerate(source.samples, 1)], source.labels)


def _read_file(source: str | os.PathLike[str]) -> WeakLabels:
    samples: list[Sample] = []
    labels: dict[str, list[float]] = {}
    for line, row in read_csv_rows(source, ['sample']):
        try:
            samples.append(csv_sample(row.pop('sample')))
            for name, text in row.items():
                labels.setdefault(name, []).append(float(text))
        except ValueError as error:
            raise ValueError(f'Expected an architecture with numbers in line {line} of {source}, '
                             f'got: {error}') from error
    if not labels:
        raise ValueError(f'Expected architectures and at least one column of labels beside sample '
                         f'in {source}, got none.')
    return WeakLabels(samples, labels)
