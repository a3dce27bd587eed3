"""The archive, against dictionaries, killed and competing processes, and damaged files."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import pickle
import sqlite3
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.killed import acknowledged
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nni_rankreg.archive import Archive, ArchiveError
from nni_rankreg.typing import Results, sample_key

CONV, POOL = {'op': 'conv', 'inputs': [0, 1]}, {'op': 'pool', 'inputs': [1]}


@pytest.fixture
def archive(tmp_path):
    return Archive(tmp_path / 'results.db')


choices = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6)
architectures = st.dictionaries(st.text(), choices, max_size=4)
metrics = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300)


# Results

@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(architectures, metrics), max_size=6))
@example([({'norm': {'order': [math.inf, -math.inf]}}, 0.)])
def test_round_trip(entries):
    expected: dict = {}
    for sample, metric in entries:
        expected.setdefault(sample_key(sample), []).append(metric)
    with tempfile.TemporaryDirectory() as folder:
        archive = Archive(Path(folder) / 'a.db')
        archive.add_many(Results([s for s, _ in entries], [m for _, m in entries]))
        archive = Archive(Path(folder) / 'a.db')
        assert [sample_key(sample) for sample in archive.results().samples] == list(expected)
        assert archive.results().metrics == pytest.approx(
            [np.mean(values) for values in expected.values()], rel=1e-12)
        assert len(archive) == len(expected)
        assert all(sample in archive and sample in archive.results().samples
                   for sample, _ in entries)


def test_several_results_of_a_sample(archive):
    archive.add(CONV, 0.25, seed=0)
    archive.add(POOL, 1)
    archive.add(dict(reversed(CONV.items())), 0.75, seed=1, seconds=2.5, source='nni')
    assert archive.results() == Results([CONV, POOL], [0.5, 1.])
    assert archive.metric(CONV) == 0.5 and archive.metric({'op': 'other'}) is None
    assert POOL in archive and {'op': 'other'} not in archive and len(archive) == 2


@pytest.mark.parametrize('mode', [None, 'max', 'min'])
@pytest.mark.parametrize('count', [0, 1, 7, 1000, None])
def test_best_against_sorted_results(archive, count, mode):
    """Of 300 results of about 50 samples, many of them with equal means."""
    random = np.random.default_rng(0)
    archive.add_many(Results([{'x': int(x)} for x in random.integers(50, size=300)],
                             random.integers(3, size=300).tolist()))
    sign = -1 if mode == 'min' else 1
    expected = sorted(archive.results().pairs(), key=lambda pair: -sign * pair[1])[:count]
    assert list(archive.best(count, mode).pairs()) == expected


def test_best_by_the_mode_of_the_search(archive):
    archive.add_many(Results([CONV, POOL], [2., 1.]))
    assert archive.best(1) == Results([CONV], [2.])
    archive.record_job('evaluation', 'evaluation', {})
    archive.record_result('evaluation', {'mode': 'min'})
    assert archive.best(1) == Results([POOL], [1.], 'min')
    assert archive.best(1, 'max').metrics == [2.]


@pytest.mark.parametrize('arguments, message', [
    ((-1,), 'Expected a count of at least 0, got -1'), ((1, 'best'), "Expected mode 'max' or")])
def test_best_of_what(archive, arguments, message):
    with pytest.raises(ValueError, match=message):
        archive.best(*arguments)


@pytest.mark.parametrize('ask', [
    lambda archive: archive.results(), lambda archive: archive.best(3), len,
    lambda archive: archive.metric(CONV)], ids=['results', 'best', 'len', 'metric'])
def test_no_query_looks_up_row_by_row(archive, ask, monkeypatch):
    """Each is answered from the index alone, as SQLite's plan of it tells."""
    archive.add(CONV, 1.)
    queries, select = [], Archive._select
    monkeypatch.setattr(Archive, '_select', lambda self, query, *values: queries.append(
        (query, values)) or select(self, query, *values))
    ask(archive)
    for query, values in queries:
        if 'FROM result' in query:
            plan = str(select(archive, f'EXPLAIN QUERY PLAN {query}', *values))
            assert 'COVERING INDEX result_sample' in plan, plan
    assert any('FROM result' in query for query, _ in queries)


def test_an_index_of_before_serves_as_well(archive):
    archive.add_many(Results([CONV, POOL, CONV], [1., 3., 2.]))
    expected = archive.results(), archive.best(1), archive.metric(CONV)
    connection = sqlite3.connect(archive.path)
    connection.execute('DROP INDEX result_sample')
    connection.execute('CREATE INDEX result_sample ON result (sample)')
    connection.commit()
    connection.close()
    archive = Archive(archive.path)
    assert (archive.results(), archive.best(1), archive.metric(CONV)) == expected


def test_frame(archive):
    archive.add(CONV, 0.25, seed=3)
    archive.add(POOL, 0.5, seconds=2.5, source='nni')
    frame = archive.to_frame()
    assert list(frame.columns) == ['sample', 'metric', 'seed', 'seconds', 'source', 'created']
    assert [json.loads(text) for text in frame['sample']] == [CONV, POOL]
    assert frame['metric'].tolist() == [0.25, 0.5]
    assert frame['seed'].isna().tolist() == [False, True] and frame['seed'][0] == 3
    assert frame['seconds'].isna().tolist() == [True, False] and frame['seconds'][1] == 2.5
    assert frame['source'].tolist() == ['stand-alone', 'nni']
    age = pd.Timestamp.now('UTC') - pd.to_datetime(frame['created'], utc=True)
    assert (age < pd.Timedelta(minutes=10)).all() and (age > -pd.Timedelta(seconds=1)).all()


def test_empty(archive):
    assert archive.results() == Results([], []) and len(archive) == 0
    assert archive.to_frame().empty and archive.jobs().empty


@pytest.mark.parametrize('metric', [float('nan'), float('inf'), -float('inf')])
def test_metric_must_be_finite(archive, metric):
    with pytest.raises(ValueError, match=f'Expected a finite metric, got {metric}'):
        archive.add(CONV, metric)
    with pytest.raises(ValueError, match='Expected a finite metric'):
        archive.add_many(Results([POOL, CONV], [1., metric]))
    assert len(archive) == 0


@pytest.mark.parametrize('sample, message', [
    ({1: 'a'}, 'Expected a sample that JSON keeps'),
    ({'op': float('nan')}, 'Expected a sample that JSON keeps'),
    ({'op': object()}, 'Expected a sample that JSON keeps'),
    ({'op': np.zeros(2)}, 'Expected a sample that JSON keeps'),
])
def test_samples_that_would_come_back_changed(archive, sample, message):
    with pytest.raises(ValueError, match=message):
        archive.add(sample, 1.)


def test_add_many_needs_equal_lengths(archive):
    with pytest.raises(ValueError, match='Expected as many metrics as samples, got 1 and 2'):
        archive.add_many(Results([CONV, POOL], [1.]))


def test_seed_out_of_range(archive):
    with pytest.raises(ArchiveError, match='too large'):
        archive.add(CONV, 1., seed=2 ** 70)
    archive.add(CONV, 1., seed=2 ** 32)


# CSV

def test_csv_round_trip(archive, tmp_path):
    archive.add(CONV, 0.1 + 0.2, seed=3, seconds=1 / 3)
    archive.add(CONV, 1e-300)
    archive.add(POOL, -5., source='a "quoted", source')
    archive.to_frame().to_csv(tmp_path / 'a.csv')
    other = Archive(tmp_path / 'deep' / 'er' / 'b.db')
    assert other.import_csv(tmp_path / 'a.csv') == 3
    pd.testing.assert_frame_equal(other.to_frame(), archive.to_frame())


def test_csv_of_others(archive, tmp_path):
    path = tmp_path / 'a.csv'
    path.write_text('\ufeffmetric,note,sample,seed\n0.5,x,"{""op"": ""conv""}",2.0\n',
                    encoding='utf-8')
    assert archive.import_csv(path) == 1
    assert archive.metric({'op': 'conv'}) == 0.5
    assert archive.to_frame()['seed'].tolist() == [2]


GOOD = '"{""op"": ""conv""}",0.5\n'
ONE = '"{""op"": 1}"'


@pytest.mark.parametrize('text, message', [
    ('arch,metric\n' + GOOD, r"Expected a column 'sample' in .*a.csv, got \['arch', 'metric'\]"),
    ('sample,accuracy\n' + GOOD, "Expected a column 'metric' in .*a.csv"),
    ('', "Expected a column 'sample' in .*a.csv, got \\[\\]"),
    ('sample,metric\n' + GOOD + '{op},0.5\n', 'Expected a result in line 3 of .*a.csv'),
    ('sample,metric\n' + GOOD + '3,0.5\n', 'line 3 of .*a.csv.*Expected a JSON object'),
    (f'sample,metric\n{GOOD}{ONE},\n', 'a result in line 3 .*convert string to float'),
    (f'sample,metric\n{GOOD}{ONE},nan\n', 'line 3 .*Expected a finite metric'),
    ('sample,metric\n' + GOOD + '{},1\n', 'line 3 .*got an empty one'),
    ('sample,metric\n' + GOOD + '{}\n', 'Expected 2 fields in line 3'),
    ('sample,metric\n' + GOOD + '{},1,2\n', 'Expected 2 fields in line 3'),
])
def test_csv_errors_name_the_place(archive, tmp_path, text, message):
    (tmp_path / 'a.csv').write_text(text)
    with pytest.raises(ValueError, match=message):
        archive.import_csv(tmp_path / 'a.csv')
    assert len(archive) == 0


# Jobs

def test_journal(archive):
    archive.record_job('0/a', 'stand-alone', {'sample': CONV, 'seed': 1})
    archive.record_job('0/b', 'super-net', {'epochs': 3})
    assert archive.job_result('0/a') is None and archive.job_result('unknown') is None
    archive.record_result('0/b', {'metric': 1 / 3, 'tau': float('-inf')})
    archive = Archive(archive.path)
    assert archive.job_result('0/b') == {'metric': 1 / 3, 'tau': float('-inf')}
    jobs = archive.jobs()
    assert list(jobs.columns) == ['key', 'kind', 'status', 'created', 'finished']
    assert jobs[['key', 'kind', 'status']].values.tolist() == [
        ['0/a', 'stand-alone', 'pending'], ['0/b', 'super-net', 'done']]
    assert jobs['finished'].isna().tolist() == [True, False]


def test_journal_is_idempotent(archive):
    for _ in range(2):
        archive.record_job('a', 'kind', {'x': 1, 'y': [2]})
        archive.record_result('a', {'metric': 1})
    finished = archive.jobs()['finished'].tolist()
    archive.record_result('a', {'metric': 2})
    archive.record_job('a', 'kind', {'y': [2], 'x': 1})
    assert archive.job_result('a') == {'metric': 1}
    assert archive.jobs()['finished'].tolist() == finished


def test_journal_notices_another_search(archive):
    archive.record_job('a', 'kind', {'seed': 1})
    with pytest.raises(ValueError, match="Expected job 'a' to stay what was recorded.*another one"):
        archive.record_job('a', 'kind', {'seed': 2})
    with pytest.raises(ValueError, match="Expected job 'a' to stay"):
        archive.record_job('a', 'other', {'seed': 1})


def test_result_of_an_unknown_job(archive):
    with pytest.raises(ValueError, match="Expected the key of a recorded job, got 'b'"):
        archive.record_result('b', {})


def test_payload_must_be_json(archive):
    with pytest.raises(ValueError, match='Expected a dict that JSON can hold'):
        archive.record_job('a', 'kind', {'x': object()})


# Processes and threads

def test_pickles_as_its_path(archive, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    relative = Archive('results.db')
    relative.add(CONV, 1.)
    monkeypatch.chdir('/')
    assert pickle.loads(pickle.dumps(relative)).results() == archive.results()
    assert repr(relative) == f"Archive('{archive.path}')"


@pytest.mark.parametrize('writes', [1, 4, 9])
def test_what_was_acknowledged_survives_a_kill(archive, writes):
    def write(number):
        archive.add_many(Results([{'x': 3 * number + i} for i in range(3)], [number] * 3))
        archive.record_job(str(number), 'kind', {})

    count = acknowledged(write, writes)
    archive = Archive(archive.path)
    found = sorted(sample['x'] for sample in archive.results().samples)
    assert count >= writes
    # At most one transaction more, whole or not at all.
    assert found in (list(range(3 * count)), list(range(3 * count + 3)))
    assert len(archive.jobs()) in (count, count + 1)
    archive.add({'x': -1}, 1.)


def interrupted(folder):
    """Return an archive as a process leaves it that dies in the middle of a commit."""
    archive = Archive(folder / 'live.db')
    archive.add_many(Results([{'x': i, 'y': 'y' * 500} for i in range(50)], [1.] * 50))
    archive.record_job('a', 'kind', {})
    connection = sqlite3.connect(archive.path, isolation_level=None)
    connection.execute('PRAGMA cache_size = 1')
    connection.execute('BEGIN')
    connection.execute('UPDATE result SET metric = 2')
    for i in range(1000):
        connection.execute("INSERT INTO result VALUES (NULL, ?, 3., 0, 0, '', '')",
                           (f'{i}' + 'z' * 500,))
    for suffix in ('', '-journal'):
        path = folder / f'dead.db{suffix}'
        path.write_bytes(Path(f'{archive.path}{suffix}').read_bytes())
    connection.close()
    return folder / 'dead.db'


def overwrite(path, start, content):
    data = bytearray(path.read_bytes())
    data[start:start + len(content)] = content
    path.write_bytes(data)


def test_half_a_commit_is_undone(tmp_path):
    path = interrupted(tmp_path)
    raw = sqlite3.connect(f'{path.as_uri()}?mode=ro&immutable=1', uri=True)
    assert raw.execute('SELECT MAX(metric) FROM result').fetchone() == (3.,)   # half-written
    raw.close()
    archive = Archive(path)
    assert set(archive.results().metrics) == {1.} and len(archive) == 50
    assert not Path(f'{path}-journal').exists()


def write(path, start):
    archive = Archive(path)
    for number in range(start, start + 200):
        archive.add({'x': number}, number)


@pytest.mark.slow
def test_two_processes_lose_nothing(tmp_path):
    context = multiprocessing.get_context('fork')
    path = tmp_path / 'new' / 'results.db'
    children = [context.Process(target=write, args=(path, start)) for start in (0, 200)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0]
    results = Archive(path).results()
    assert sorted(results.metrics) == list(range(400))
    assert all(sample['x'] == metric for sample, metric in results.pairs())


def test_threads_share_an_archive(archive):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: archive.add({'x': number}, number), range(60)))
        assert sorted(pool.map(archive.metric, archive.results().samples)) == list(range(60))


def test_threads_create_an_archive_together(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        for attempt in range(5):
            archives = list(pool.map(Archive, [tmp_path / f'{attempt}.db'] * 8))
            list(pool.map(lambda archive: archive.add(CONV, 1.), archives))
            assert len(archives[0].to_frame()) == 8


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='needs fork')
def test_a_forked_child_writes_too(archive):
    archive.add(CONV, 1.)
    child = multiprocessing.get_context('fork').Process(target=archive.add, args=(POOL, 2.))
    child.start()
    child.join()
    archive.add(CONV, 2.)
    assert child.exitcode == 0 and archive.results() == Results([CONV, POOL], [1.5, 2.])


# Files

def foreign(path):
    connection = sqlite3.connect(path)
    connection.execute('CREATE TABLE t (a)')
    connection.commit()
    connection.close()


def foreign_wal(path):
    connection = sqlite3.connect(path)
    connection.execute('PRAGMA journal_mode = wal')
    connection.execute('CREATE TABLE t (a)')
    connection.close()


def filled(path):
    Archive(path).add_many(Results([{'x': i, 'y': 'y' * 50} for i in range(300)],
                                   [i / 7 for i in range(300)]))
    return path.read_bytes()


def newer(path):
    filled(path)
    connection = sqlite3.connect(path)
    connection.execute('PRAGMA user_version = 9')
    connection.close()


def truncated(path):
    path.write_bytes(filled(path)[:-5000])


def truncated_header(path):
    path.write_bytes(filled(path)[:60])


def overwritten(start):
    def damage(path):
        filled(path)
        overwrite(path, start, bytes(200))
    return damage


def no_index(path):
    filled(path)
    connection = sqlite3.connect(path)
    connection.execute('DROP INDEX result_sample')
    connection.close()


def index_disagrees(path):
    filled(path)
    connection = sqlite3.connect(path)
    page = connection.execute(
        "SELECT rootpage FROM sqlite_master WHERE name = 'result_sample'").fetchone()[0]
    connection.execute('PRAGMA writable_schema = ON')
    connection.execute("DELETE FROM sqlite_master WHERE name = 'result_sample'")
    connection.commit()
    connection.close()
    connection = sqlite3.connect(path)
    connection.execute('DELETE FROM result WHERE id < 100')
    connection.execute('PRAGMA writable_schema = ON')
    connection.execute("INSERT INTO sqlite_master VALUES ('index', 'result_sample', 'result', ?, "
                       "'CREATE INDEX result_sample ON result (sample)')", (page,))
    connection.commit()
    connection.close()


def refused(tmp_path, message, ask=Archive):
    """Check that a file is refused in one line, and left as it was."""
    path = tmp_path / 'a.db'
    before = path.read_bytes()
    with pytest.raises(ArchiveError, match=message) as caught:
        ask(path)
    assert '\n' not in str(caught.value) and str(path) in str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ['a.db']


@pytest.mark.parametrize('make, message', [
    (lambda path: path.write_text('sample,metric\n'), 'file is not a database'),
    (lambda path: path.write_bytes(bytes(5000)), 'file is not a database'),
    (foreign, 'an SQLite file of another program'),
    (foreign_wal, 'an SQLite file of another program'),
    (newer, 'Expected an archive of version 1 at .*, got version 9'),
    (truncated, 'malformed'),
    (truncated_header, 'another program or a damaged one'),
    (no_index, 'a damaged one without result_sample'),
], ids=['text', 'zeros', 'foreign', 'foreign_wal', 'newer', 'truncated', 'truncated_header',
        'no_index'])
def test_other_files_are_refused_and_left_alone(tmp_path, make, message):
    make(tmp_path / 'a.db')
    refused(tmp_path, message)


@pytest.mark.parametrize('ask', [Archive.results, Archive.best, Archive.to_frame, Archive.check])
@pytest.mark.parametrize('make', [overwritten(4096), overwritten(5 * 4096), index_disagrees],
                         ids=['root', 'data', 'index'])
def test_damage_is_found_by_what_reads_all(tmp_path, make, ask):
    """Opening does not, as it reads the first pages only."""
    make(tmp_path / 'a.db')
    archive = Archive(tmp_path / 'a.db')
    refused(tmp_path, 'damaged', lambda path: ask(archive))


def test_opening_reads_the_first_pages_only(tmp_path):
    """All others are wiped out, and that of a root is read by what looks for it."""
    path = tmp_path / 'a.db'
    size = len(filled(path))
    overwrite(path, 4096, os.urandom(size - 4096))
    archive = Archive(path)
    refused(tmp_path, 'malformed', lambda path: archive.metric(CONV))


@pytest.mark.parametrize('pages', [None, 2 ** 20], ids=['readable', 'unreadable'])
def test_a_foreign_file_with_a_journal_is_left_alone(tmp_path, pages):
    path = interrupted(tmp_path)
    overwrite(path, 68, bytes(4))              # the application id
    if pages:
        overwrite(path, 28, pages.to_bytes(4, 'big'))
    before = path.read_bytes()
    with pytest.raises(ArchiveError):
        Archive(path)
    assert path.read_bytes() == before and Path(f'{path}-journal').exists()


def test_damage_beside_half_a_commit_is_found(tmp_path):
    path = interrupted(tmp_path)
    live = sqlite3.connect(tmp_path / 'live.db')
    page = live.execute("SELECT rootpage FROM sqlite_master WHERE name = 'job'").fetchone()[0]
    live.close()
    overwrite(path, (page - 1) * 4096, bytes(200))
    with pytest.raises(ArchiveError, match='damaged'):
        Archive(path).check()


def test_directories(tmp_path):
    with pytest.raises(ArchiveError, match='Expected the path of a file, got the directory'):
        Archive(tmp_path)
    (tmp_path / 'file').write_text('')
    with pytest.raises(ArchiveError, match='file'):
        Archive(tmp_path / 'file' / 'a.db')


def test_an_empty_file_is_a_new_archive(tmp_path):
    (tmp_path / 'a.db').touch()
    Archive(tmp_path / 'a.db').add(CONV, 1.)
    assert len(Archive(tmp_path / 'a.db')) == 1


def test_a_file_removed_meanwhile(archive):
    archive.path.unlink()
    with pytest.raises(ArchiveError, match='unable to open'):
        archive.add(CONV, 1.)
    assert not archive.path.exists()


@pytest.mark.parametrize('name', ['a b?c#d%20é.db', "quote's.db"])
def test_odd_names(tmp_path, name):
    Archive(tmp_path / name).add(CONV, 1.)
    assert os.listdir(tmp_path) == [name] and len(Archive(tmp_path / name)) == 1
