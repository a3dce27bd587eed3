"""The SQLite file below an archive: recognised before it is opened for writing, one format.

And how a result stands in it.
"""

from __future__ import annotations

import json
import math
import os
import random
import reprlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from ..typing import Sample, plain_choice, sample_key

__all__ = ['ArchiveError', 'COST_SCHEMA', 'SCORE_SCHEMA', 'check_file', 'open_file', 'result_row',
           'spellings', 'to_json', 'transaction']

_APPLICATION_ID = int.from_bytes(b'RNKR', 'big')
_VERSION = 1
_SCHEMA = (
    """CREATE TABLE result (
        id INTEGER PRIMARY KEY, sample TEXT NOT NULL, metric REAL NOT NULL, seed INTEGER,
        seconds REAL, source TEXT NOT NULL, created TEXT NOT NULL,
        CHECK (typeof(metric) = 'real'))""",
    # With the metric, so that means are read from it in order, not from the table row by row.
    'CREATE INDEX result_sample ON result (sample, metric)',
    """CREATE TABLE job (
        id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
        payload TEXT NOT NULL, result TEXT, created TEXT NOT NULL, finished TEXT)""",
    f'PRAGMA application_id = {_APPLICATION_ID}',
    f'PRAGMA user_version = {_VERSION}',
)

_PATIENCE = 60                    # seconds to wait for others
_PAUSE = 0.002                    # seconds, at most, until they are asked again
_random = random.SystemRandom()   # another one in each process, also if it is forked

_PARTS = {'result', 'result_sample', 'job'}

SCORE_SCHEMA = (
    'CREATE TABLE IF NOT EXISTS scorer (id INTEGER PRIMARY KEY, description TEXT NOT NULL UNIQUE)',
    """CREATE TABLE IF NOT EXISTS score (
        scorer INTEGER NOT NULL, sample TEXT NOT NULL, value REAL, created TEXT NOT NULL,
        PRIMARY KEY (scorer, sample)) WITHOUT ROWID""",
)
"""Made with the first score, so that archives of before can hold scores as well."""

COST_SCHEMA = """CREATE TABLE IF NOT EXISTS cost (
    sample TEXT NOT NULL, name TEXT NOT NULL, value REAL NOT NULL, PRIMARY KEY (sample, name)
    ) WITHOUT ROWID"""
"""Made with the first cost, likewise."""


class ArchiveError(ValueError):
    """The file is not an archive, is damaged, or cannot be read or written."""


def open_file(path: Path) -> None:
    """Create the file if it is missing or empty, otherwise check what it begins with.

    That takes as long whatever the file holds; `check_file` looks at all of it.
    """
    with _as_archive_error(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise ArchiveError(f'Expected the path of a file, got the directory {path}.')
        if path.exists() and path.stat().st_size:
            _recognise(path)
            _look(path, _check_tables)
            return
    with transaction(path, write=True, mode='rwc') as connection:
        # Another process may have been faster: the transaction lets one of them create it.
        if connection.execute('SELECT COUNT(*) FROM sqlite_master').fetchone()[0] == 0:
            for statement in _SCHEMA:
                connection.execute(statement)


def check_file(path: Path) -> None:
    """Check every page of the file; it takes seconds for a million results."""
    with _as_archive_error(path):
        _look(path, _check_integrity)


@contextmanager
def transaction(path: Path, *, write: bool, mode: str = 'rw') -> Iterator[sqlite3.Connection]:
    """Yield a connection inside a transaction that is committed if the body succeeds.

    A connection of its own for each transaction costs 0.1 ms, a fraction of a commit, and needs
    no rules for threads and forks.
    """
    with _as_archive_error(path), closing(_connect(path, mode)) as connection:
        _begin(connection, write)
        yield connection
        connection.execute('COMMIT')


@contextmanager
def _as_archive_error(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError, OverflowError, UnicodeDecodeError) as error:
        raise ArchiveError(f'Expected a sound and accessible archive at {path}, got: {error}'
                           ) from error


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f'{path.as_uri()}?mode={mode}', uri=True, timeout=_PATIENCE,
                           isolation_level=None)


def _begin(connection: sqlite3.Connection, write: bool) -> None:
    """Begin a transaction as soon as the others let it.

    SQLite itself waits up to a tenth of a second before it asks again. Beside others that write
    without a pause it meets a free moment by luck only, and was seen to wait for 18 seconds.
    """
    if not write:
        connection.execute('BEGIN')
    connection.execute('PRAGMA busy_timeout = 0')
    patience = time.monotonic() + _PATIENCE
    while True:
        try:
            connection.execute('BEGIN IMMEDIATE' if write else 'SELECT 1 FROM sqlite_master')
            break
        except sqlite3.OperationalError as error:
            if 'database is locked' not in str(error) or time.monotonic() > patience:
                raise
        time.sleep(_random.uniform(0, _PAUSE))
    connection.execute(f'PRAGMA busy_timeout = {1000 * _PATIENCE}')


def _recognise(path: Path) -> None:
    """Refuse files of other programs, without a lock or a log file beside them."""
    try:
        with closing(_connect(path, 'ro&immutable=1')) as connection:
            _check_identity(path, connection)
    except sqlite3.DatabaseError:
        pass                                   # maybe caught in the middle of a write: ask again


def _check_identity(path: Path, connection: sqlite3.Connection) -> None:
    identity = connection.execute('PRAGMA application_id').fetchone()[0]
    if identity != _APPLICATION_ID:
        raise ArchiveError(f'Expected an archive at {path}, got an SQLite file of another program '
                           'or a damaged one: choose another path.')
    version = connection.execute('PRAGMA user_version').fetchone()[0]
    if version != _VERSION:
        raise ArchiveError(f'Expected an archive of version {_VERSION} at {path}, got version '
                           f'{version}: use the release that wrote it.')


def _look(path: Path, check: Callable[[Path, sqlite3.Connection], None]) -> None:
    """Check a file, read-only unless a killed writer left a transaction to undo."""
    try:
        _look_by(path, 'ro', check)
    except sqlite3.OperationalError:
        if not (os.path.exists(f'{path}-journal') and _is_ours(path)):
            raise
        _look_by(path, 'rw', check)


def _look_by(path: Path, mode: str, check: Callable[[Path, sqlite3.Connection], None]) -> None:
    with closing(_connect(path, mode)) as connection:
        _check_identity(path, connection)
        check(path, connection)


def _check_tables(path: Path, connection: sqlite3.Connection) -> None:
    found = {name for name, in connection.execute('SELECT name FROM sqlite_master')}
    if not found >= _PARTS:
        raise ArchiveError(f'Expected a sound archive at {path}, got a damaged one without '
                           f'{", ".join(sorted(_PARTS - found))}; restore a copy.')


def _check_integrity(path: Path, connection: sqlite3.Connection) -> None:
    problem = connection.execute('PRAGMA integrity_check(1)').fetchone()[0]
    if problem != 'ok':
        raise ArchiveError(f'Expected a sound archive at {path}, got a damaged one: '
                           f'{" ".join(problem.split())}; restore a copy.')


def _is_ours(path: Path) -> bool:
    """Return whether the header names this program.

    Closing a file drops the locks of its other users in the process; a left journal has none.
    """
    with open(path, 'rb') as file:
        header = file.read(100)
    return (header[:16] == b'SQLite format 3\0'
            and header[68:72] == _APPLICATION_ID.to_bytes(4, 'big'))


def to_json(mapping: Mapping[str, Any]) -> str:
    """Return the canonical JSON of a dict; the error tells if there is none."""
    try:
        return json.dumps(dict(mapping), sort_keys=True)
    except (TypeError, ValueError) as error:
        raise ValueError(f'Expected a dict that JSON can hold, got {mapping}.') from error


def spellings(sample: Sample) -> tuple[str, str]:
    """Return the JSON of a sample as archives of before have written it, and as it is written now.

    Raises
    ------
    ValueError
        If a sample does not come back the same from JSON.
    """
    try:
        before, now = json.dumps(sample, sort_keys=True, default=plain_choice), sample_key(sample)
        if json.loads(now) == plain_choice(sample):
            return before, now
    except (TypeError, ValueError, RecursionError):
        pass
    raise ValueError('Expected a sample that JSON keeps (strings, numbers, booleans, None, lists, '
                     f'dicts with string keys), got {reprlib.repr(sample)}.')


def result_row(sample: Sample, metric: float) -> tuple[str, str, float]:
    """Return the two spellings of a sample, and its metric, which is finite."""
    before, now = spellings(sample)
    if not math.isfinite(float(metric)):
        raise ValueError(f'Expected a finite metric, got {metric} for {now[:200]}.')
    return before, now, float(metric)
