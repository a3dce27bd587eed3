"""Tables of stand-alone performance, as a scorer."""

from __future__ import annotations

import csv
import itertools
import os
from collections.abc import Collection, Sequence
from operator import itemgetter
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .._util.path import user_path
from ..metric import kendall_tau
from ..typing import Results, Sample, sample_key, without
from .reader import Decode, read_csv, read_npz

__all__ = ['TabularBenchmark', 'UnknownArchitectureError']


class UnknownArchitectureError(KeyError):
    """An architecture that a table does not hold."""

    def __str__(self) -> str:
        return str(self.args[0])               # KeyError would print quotes around the message


class TabularBenchmark:
    """A table of the known performance of architectures, as a `Scorer`.

    Parameters
    ----------
    samples
        N different architectures.
    values
        Their stand-alone performance, shape (N,) or (N, seeds), finite, higher is better. The
        score of an architecture is its mean over the seeds.
    name
        What the numbers are, for reports.

    Raises
    ------
    ValueError
        If the shapes differ, a value is not finite, or an architecture occurs twice.

    Examples
    --------
    >>> table = TabularBenchmark([{'op': 'conv'}, {'op': 'pool'}], [[0.9, 0.8], [0.5, 0.6]])
    >>> table([{'op': 'pool'}])
    tensor([0.5500], dtype=torch.float64)
    >>> table.rank(0.7)
    2
    """

    def __init__(self, samples: Sequence[Sample], values: npt.ArrayLike, name: str = ''):
        array = np.array(values, dtype=np.float64)
        if array.ndim not in (1, 2) or len(array) != len(samples) or not array.size:
            raise ValueError(f'Expected values of shape (N,) or (N, seeds) for N = {len(samples)} '
                             f'samples, at least one, got shape {array.shape}.')
        if not np.isfinite(array).all():
            raise ValueError('Expected finite values, got '
                             f'{int((~np.isfinite(array)).sum())} that are not.')
        self.samples, self.values, self.name = list(samples), array, name
        self._scores = array if array.ndim == 1 else array.mean(axis=1)
        self._rows = {sample_key(sample): row for row, sample in enumerate(self.samples)}
        if len(self._rows) != len(self.samples):
            raise ValueError(f'Expected {len(self.samples)} different architectures, got '
                             f'{len(self._rows)}.')

    def __call__(self, samples: Sequence[Sample]) -> Tensor:
        """Return the mean performance of `samples`, shape (N,), float64.

        Raises
        ------
        UnknownArchitectureError
            A `KeyError`, if the table lacks one of them.
        """
        try:
            rows = [self._rows[sample_key(sample)] for sample in samples]
        except KeyError as error:
            raise UnknownArchitectureError(
                f'Expected an architecture of the table {self.name!r} with {len(self)} rows, such '
                f'as {self.samples[0]}, got {error.args[0]}.') from None
        return torch.from_numpy(self._scores[rows])

    def __len__(self) -> int:
        return len(self.samples)

    def __contains__(self, sample: Sample) -> bool:
        return sample_key(sample) in self._rows

    def __repr__(self) -> str:
        return f'TabularBenchmark({len(self)} architectures, name={self.name!r})'

    @property
    def metrics(self) -> list[float]:
        """Mean performance of each architecture, in the order of `samples`."""
        return self._scores.tolist()

    @property
    def results(self) -> Results:
        """All architectures with their mean performance."""
        return Results(self.samples, self.metrics)

    def rank(self, metric: float) -> int:
        """Return 1 + the number of architectures that are strictly better than `metric`."""
        return 1 + int((self._scores > metric).sum())

    def reliability(self) -> float:
        """Return the mean Kendall tau between two seeds: how well the table repeats itself.

        Raises
        ------
        ValueError
            If the table has a single value for each architecture.
        """
        if self.values.ndim == 1 or self.values.shape[1] < 2:
            raise ValueError('Expected values of at least two seeds, got shape '
                             f'{self.values.shape}: one seed says nothing about the next.')
        pairs = itertools.combinations(self.values.T, 2)
        return float(np.mean([kendall_tau(first, second) for first, second in pairs]))

    def subset(self, count: int, seed: int, exclude: Collection[Sample] = ()) -> TabularBenchmark:
        """Return a random part of the table; of one seed, a larger part begins with a smaller one.

        Parameters
        ----------
        count
            Number of architectures, drawn uniformly without replacement.
        seed
            Of the draw.
        exclude
            Architectures that are not drawn, for example the landmarks. A ValueError tells if
            fewer than `count` are left.
        """
        rows = [row for _, row in without(self._rows.items(), exclude, key=itemgetter(0))]
        if not 1 <= count <= len(rows):
            raise ValueError(f'Expected a count from 1 to {len(rows)}, the architectures left, '
                             f'got {count}.')
        drawn = np.random.default_rng(seed).permutation(rows)[:count]
        return TabularBenchmark([self.samples[row] for row in drawn], self.values[drawn], self.name)

    @classmethod
    def from_csv(cls, path: str | os.PathLike[str], *, column: str | Sequence[str] | None = None,
                 decode: Decode | None = None, name: str | None = None) -> TabularBenchmark:
        """Read a CSV file; errors name the missing column or the bad line.

        Parameters
        ----------
        path
            A file with a header. Architectures are in the column `sample`, as JSON, or, if
            `decode` is given, in the column `arch`.
        column
            The column of values, or one for each seed. None takes all that begin with `metric`.
        decode
            From the text in `arch` to a sample, such as `nni_rankreg.space.decode_nasbench201`.
        name
            None takes the name of the file.
        """
        columns = [column] if isinstance(column, str) else column
        return cls(*read_csv(path, columns, decode), Path(path).stem if name is None else name)

    @classmethod
    def from_npz(cls, path: str | os.PathLike[str], column: str | Sequence[str], decode: Decode,
                 key: str = 'arch', name: str | None = None) -> TabularBenchmark:
        """Read a NumPy archive; rows that hold a NaN are left out.

        Parameters
        ----------
        path
            A ``.npz`` file.
        column
            The array of values, shape (N,) or (N, seeds), or one array for each seed.
        decode, name
            See `from_csv`; the default name has the columns, too.
        key
            The array of architectures, strings or bytes, shape (N,).
        """
        columns = [column] if isinstance(column, str) else column
        label = f'{Path(path).stem}: {", ".join(columns)}' if name is None else name
        return cls(*read_npz(path, columns, decode, key), label)

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the file that `from_csv` reads: sample, metric or metric_seed0, metric_seed1 ..."""
        values = self.values.reshape(len(self), -1)
        names = (['metric'] if values.shape[1] == 1
                 else [f'metric_seed{seed}' for seed in range(values.shape[1])])
        with open(user_path(path), 'w', newline='', encoding='utf-8') as file:
            writer = csv.writer(file)
            writer.writerow(['sample', *names])
            writer.writerows([sample_key(sample), *row]
                             for sample, row in zip(self.samples, values.tolist()))
