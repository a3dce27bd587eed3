"""One SQLite file of stand-alone results, of the jobs of a search, and of cached scores."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

import pandas as pd

from .._util.csv import csv_sample, parse_samples, read_csv_rows
from .._util.path import user_path
from ..typing import Results, Sample, metric_sign, sample_key
from .sqlite import (
    COST_SCHEMA,
    SCORE_SCHEMA,
    ArchiveError,
    check_file,
    open_file,
    result_row,
    spellings,
    to_json,
    transaction,
)

__all__ = ['Archive', 'ArchiveError']

COST_COLUMN = 'cost_'
"""Begins the name of a column of costs, in tables."""

# A file of before has spelled numbers as they came, 8.0 or true: it keeps its spelling.
_INSERT = ('INSERT INTO result (sample, metric, seed, seconds, source, created) '
           'VALUES (COALESCE((SELECT sample FROM result WHERE sample = ? LIMIT 1), ?), '
           '?, ?, ?, ?, ?)')


class Archive:
    """All stand-alone results of a search, its recorded jobs and cached scores, in one file.

    Every write is one transaction that is on the disk when the method returns. So results survive
    a killed process. Threads and processes may share an archive: each operation opens
    its own connection and waits up to a minute for the others. An archive pickles as its path.

    Opening an archive takes no longer if it holds a million results. Damage is looked for in the
    whole file when all results are first read, see `check`.

    Parameters
    ----------
    path
        The file. It and its parent directories are created if missing; an empty file counts as
        missing.

    Raises
    ------
    ArchiveError
        If the file is no archive, or its first pages are damaged. It is left as it was.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> archive = Archive(folder.name + '/results.db')
    >>> archive.add({'op': 'conv'}, 0.9, seed=0)
    >>> archive.add({'op': 'conv'}, 0.8, seed=1)
    >>> len(archive), round(archive.metric({'op': 'conv'}), 2)
    (1, 0.85)
    >>> folder.cleanup()
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = user_path(path).absolute()
        self._checked = False
        open_file(self.path)

    def __getstate__(self) -> dict[str, Any]:
        return {'path': self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.path, self._checked = state['path'], False

    def check(self) -> None:
        """Look for damage in the whole file: some seconds for a million results.

        Raises
        ------
        ArchiveError
            If there is any. The file is left as it was.
        """
        check_file(self.path)
        self._checked = True

    def add(self, sample: Sample, metric: float, *, seed: int | None = None,
            seconds: float | None = None, source: str = 'stand-alone') -> None:
        """Add one result; a sample may have several, for example of different seeds.

        Parameters
        ----------
        sample
            The architecture. Its choices must be what JSON keeps: strings, numbers, booleans,
            None, lists and dicts with string keys. Equal numbers are one choice, whatever their
            type. Tuples come back as lists; who reads results for a space gets the space's own
            choices.
        metric
            Stand-alone performance as the evaluator reports it, finite. The ``mode`` of who reads
            results says whether higher or lower is better.
        seed
            Of the training.
        seconds
            The training took.
        source
            Where the result comes from.
        """
        self._insert([(*result_row(sample, metric), seed, seconds, source, _now())])

    def add_many(self, results: Results, source: str = 'stand-alone') -> None:
        """Add all results, or none if one of them is invalid, in one transaction."""
        if len(results.samples) != len(results.metrics):
            raise ValueError('Expected as many metrics as samples, got '
                             f'{len(results.metrics)} and {len(results.samples)}.')
        now = _now()
        self._insert([(*result_row(sample, metric), None, None, source, now)
                      for sample, metric in results.pairs()])

    def results(self) -> Results:
        """Return the different samples in the order of their first result, with mean metrics."""
        return self._means('ORDER BY MIN(id)')

    def best(self, count: int | None = None, mode: str | None = None) -> Results:
        """Return the samples with the best mean metrics, best first; ties in order of arrival.

        Parameters
        ----------
        count
            Number of samples, all if there are fewer; None returns all.
        mode
            ``'max'``, or ``'min'`` if lower metrics are better; None is that of the search that
            has written the archive, ``'max'`` if none has.

        Raises
        ------
        ValueError
            If the count is negative, or the mode is neither.
        """
        if count is not None and count < 0:
            raise ValueError(f'Expected a count of at least 0, got {count}.')
        order = 'DESC' if metric_sign(mode or self.mode or 'max') > 0 else 'ASC'
        return self._means(f'ORDER BY AVG(metric) {order}, MIN(id) LIMIT ?',
                           -1 if count is None else count)

    @property
    def mode(self) -> str | None:
        """``'max'`` or ``'min'``, as in the search that has written the archive; None if none."""
        search = self.job_result('evaluation')
        return None if search is None else search.get('mode', 'max')

    def metric(self, sample: Sample) -> float | None:
        """Return the mean metric of a sample, None if it has no result."""
        return self._select('SELECT AVG(metric) FROM result WHERE sample IN (?, ?)',
                            *spellings(sample))[0][0]

    def __contains__(self, sample: Sample) -> bool:
        return self.metric(sample) is not None

    def __len__(self) -> int:
        return self._select('SELECT COUNT(DISTINCT sample) FROM result')[0][0]

    def __repr__(self) -> str:
        return f'Archive({str(self.path)!r})'

    def to_frame(self) -> pd.DataFrame:
        """Return one row per result: sample (JSON), metric, seed, seconds, source, created.

        Each cost that the archive keeps is a further column, such as ``cost_latency``; NaN where
        there is none.
        """
        columns = ['sample', 'metric', 'seed', 'seconds', 'source', 'created']
        self._check_once()
        frame = pd.DataFrame(self._select(f'SELECT {", ".join(columns)} FROM result ORDER BY id'),
                             columns=columns)
        frame = frame.astype({'metric': 'float64', 'seed': 'Int64', 'seconds': 'float64'})
        costs = self.costs()
        keys = [sample_key(sample) for sample in parse_samples(frame['sample'])] if costs else []
        for name, known in costs.items():
            frame[f'{COST_COLUMN}{name}'] = [known.get(key, math.nan) for key in keys]
        return frame

    def import_csv(self, path: str | os.PathLike[str]) -> int:
        """Add the results of a CSV file in one transaction and return their number.

        Parameters
        ----------
        path
            A file written by ``to_frame().to_csv(path)``, or any with the columns `sample` (JSON)
            and `metric`; `seed`, `seconds`, `source`, `created` and costs are read where present.

        Raises
        ------
        ValueError
            Naming the missing column or the bad line; nothing is added then.
        """
        rows, samples, costs = [], list[Sample](), list[dict[str, float]]()
        for line, row in read_csv_rows(path, ['sample', 'metric']):
            try:
                samples.append(csv_sample(row['sample']))
                costs.append({name.removeprefix(COST_COLUMN): float(value)
                              for name, value in row.items()
                              if name.startswith(COST_COLUMN) and value})
                rows.append((*result_row(samples[-1], float(row['metric'])),
                             int(float(row['seed'])) if row.get('seed') else None,
                             float(row['seconds']) if row.get('seconds') else None,
                             row.get('source') or 'import', row.get('created') or _now()))
            except ValueError as error:
                raise ValueError(f'Expected a result in line {line} of {path}, got {error}'
                                 ) from error
        self.add_costs(samples, costs)
        self._insert(rows)
        return len(rows)

    def record_job(self, key: str, kind: str, payload: Mapping[str, Any]) -> None:
        """Record that a job is about to run; recording the same job again changes nothing.

        Payloads and results are kept as JSON: tuples come back as lists, keys as strings.

        Raises
        ------
        ValueError
            If `key` already names a job of another kind or payload, or JSON cannot hold it.
        """
        job = (key, kind, to_json(payload))
        with transaction(self.path, write=True) as connection:
            connection.execute('INSERT OR IGNORE INTO job (key, kind, payload, created) '
                               'VALUES (?, ?, ?, ?)', (*job, _now()))
            known = connection.execute('SELECT key, kind, payload FROM job WHERE key = ?',
                                       (key,)).fetchone()
        if known != job:
            raise ValueError(f'Expected job {key!r} to stay what was recorded, {known[1:]}, got '
                             f'{job[1:]}: the search to resume is another one.')

    def record_result(self, key: str, result: Mapping[str, Any]) -> None:
        """Record the result of a recorded job; the first result of a job stays.

        Raises
        ------
        ValueError
            If no job `key` is recorded.
        """
        text = to_json(result)
        with transaction(self.path, write=True) as connection:
            changed = connection.execute(
                'UPDATE job SET finished = CASE WHEN result IS NULL THEN ? ELSE finished END, '
                'result = COALESCE(result, ?) WHERE key = ?', (_now(), text, key)).rowcount
        if not changed:
            raise ValueError(f'Expected the key of a recorded job, got {key!r}: record_job first.')

    def job_result(self, key: str) -> dict[str, Any] | None:
        """Return the result of a job, None if it is pending or unknown."""
        rows = self._select('SELECT result FROM job WHERE key = ?', key)
        return json.loads(rows[0][0]) if rows and rows[0][0] is not None else None

    def add_scores(self, scorer: str, scores: Mapping[str, float]) -> None:
        """Keep scores of architectures in one transaction; the first score of each stays.

        Parameters
        ----------
        scorer
            What the scores depend on; any text, the same for the same scores.
        scores
            `sample_key` of an architecture -> score, higher is better; NaN where there is none.
        """
        rows = [(key, None if math.isnan(score) else float(score), _now(), scorer)
                for key, score in scores.items()]
        with transaction(self.path, write=True) as connection:
            for statement in SCORE_SCHEMA:
                connection.execute(statement)
            connection.execute('INSERT OR IGNORE INTO scorer (description) VALUES (?)', (scorer,))
            connection.executemany(
                'INSERT OR IGNORE INTO score (scorer, sample, value, created) '
                'SELECT id, ?, ?, ? FROM scorer WHERE description = ?', rows)

    def scores(self, scorer: str) -> dict[str, float]:
        """Return the scores kept for `scorer`, as `add_scores` took them."""
        if not self._select("SELECT 1 FROM sqlite_master WHERE name = 'score'"):
            return {}
        rows = self._select('SELECT sample, value FROM score JOIN scorer ON scorer = id '
                            'WHERE description = ?', scorer)
        return {key: math.nan if value is None else value for key, value in rows}

    def add_costs(self, samples: Sequence[Sample], costs: Sequence[Mapping[str, float]]) -> None:
        """Keep what architectures cost in one transaction; the last cost of a name stays.

        Parameters
        ----------
        samples
            N architectures.
        costs
            Name -> cost of each, finite and at least 0; lower is better.

        Raises
        ------
        ValueError
            If a cost is NaN, infinite or negative; nothing is kept then.

        Examples
        --------
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> archive = Archive(folder.name + '/results.db')
        >>> archive.add_costs([{'op': 'conv'}], [{'latency': 4.5}])
        >>> archive.costs()
        {'latency': {'{"op": "conv"}': 4.5}}
        >>> folder.cleanup()
        """
        rows = [(sample_key(sample), name, float(value))
                for sample, each in zip(samples, costs) for name, value in each.items()]
        for key, name, value in rows:
            if not 0 <= value < math.inf:
                raise ValueError(f'Expected {name} of at least 0, got {value:g} of {key[:200]}.')
        if not rows:
            return
        with transaction(self.path, write=True) as connection:
            connection.execute(COST_SCHEMA)
            connection.executemany('INSERT OR REPLACE INTO cost VALUES (?, ?, ?)', rows)

    def costs(self) -> dict[str, dict[str, float]]:
        """Return name -> `sample_key` of an architecture -> cost, as `add_costs` took them."""
        found: dict[str, dict[str, float]] = {}
        if self._select("SELECT 1 FROM sqlite_master WHERE name = 'cost'"):
            for key, name, value in self._select('SELECT sample, name, value FROM cost'):
                found.setdefault(name, {})[key] = value
        return found

    def jobs(self) -> pd.DataFrame:
        """Return one row per job: key, kind, status ('pending' or 'done'), created, finished."""
        return pd.DataFrame(
            self._select("SELECT key, kind, CASE WHEN result IS NULL THEN 'pending' ELSE 'done' "
                         'END, created, finished FROM job ORDER BY id'),
            columns=['key', 'kind', 'status', 'created', 'finished'])

    def _insert(self, rows: Iterable[Sequence[Any]]) -> None:
        with transaction(self.path, write=True) as connection:
            connection.executemany(_INSERT, rows)

    def _check_once(self) -> None:
        if not self._checked:
            self.check()

    def _means(self, order: str, *values: Any) -> Results:
        self._check_once()
        rows = self._select(f'SELECT sample, AVG(metric) FROM result GROUP BY sample {order}',
                            *values)
        try:
            # All at once: it is quicker, and they share the texts of their labels.
            samples = parse_samples(key for key, _ in rows)
        except ValueError as error:
            raise ArchiveError(f'Expected a sound archive at {self.path}, got: {error}') from error
        return Results(samples, [metric for _, metric in rows], self.mode)

    def _select(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with transaction(self.path, write=False) as connection:
            return connection.execute(query, values).fetchall()


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec='milliseconds')
