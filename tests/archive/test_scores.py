"""The cache of scores in an archive: killed and competing writers, files without scores."""

from __future__ import annotations

import math
import multiprocessing
import sqlite3

import pytest
from helpers.killed import acknowledged

from nni_rankreg.archive import Archive


@pytest.fixture
def archive(tmp_path):
    return Archive(tmp_path / 'results.db')


def test_scores_by_scorer(archive):
    archive.add_scores('snip', {'a': 1.5, 'b': -2.})
    archive.add_scores('zen', {'a': 1e300})
    assert archive.scores('snip') == {'a': 1.5, 'b': -2.}
    assert archive.scores('zen') == {'a': 1e300} and archive.scores('other') == {}
    assert Archive(archive.path).scores('snip') == archive.scores('snip')
    assert len(archive) == 0 and archive.to_frame().empty


def test_scores_that_are_no_number(archive):
    archive.add_scores('snip', {'a': math.nan, 'b': math.inf, 'c': -math.inf})
    scores = archive.scores('snip')
    assert math.isnan(scores.pop('a')) and scores == {'b': math.inf, 'c': -math.inf}


def test_the_first_score_stays(archive):
    archive.add_scores('snip', {'a': 1.})
    archive.add_scores('snip', {'a': 2., 'b': 3.})
    assert archive.scores('snip') == {'a': 1., 'b': 3.}


def test_an_archive_of_before_has_no_scores_and_takes_some(archive):
    archive.add({'op': 'conv'}, 1.)
    before = archive.path.read_bytes()
    assert archive.scores('snip') == {} and archive.path.read_bytes() == before
    names = 'SELECT name FROM sqlite_master WHERE type = "table"'
    with sqlite3.connect(archive.path) as connection:
        assert set(connection.execute(names)) == {('result',), ('job',)}
    archive.add_scores('snip', {'a': 1.})
    assert Archive(archive.path).scores('snip') == {'a': 1.} and len(archive) == 1


@pytest.mark.parametrize('writes', [1, 5])
def test_what_was_kept_survives_a_kill(archive, writes):
    count = acknowledged(lambda number: archive.add_scores(
        'snip', {str(3 * number + i): float(number) for i in range(3)}), writes)
    found = sorted(map(int, Archive(archive.path).scores('snip')))
    assert count >= writes
    # At most one transaction more, whole or not at all.
    assert found in (list(range(3 * count)), list(range(3 * count + 3)))
    Archive(archive.path).add_scores('snip', {'x': 1.})


def write(path, scorer):
    archive = Archive(path)
    for number in range(150):
        archive.add_scores(scorer, {str(number): float(number)})
        archive.add_scores('both', {str(number): float(number)})


@pytest.mark.slow
def test_two_processes_lose_nothing(tmp_path):
    context = multiprocessing.get_context('fork')
    path = tmp_path / 'results.db'
    children = [context.Process(target=write, args=(path, scorer)) for scorer in 'ab']
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0]
    expected = {str(number): float(number) for number in range(150)}
    assert all(Archive(path).scores(scorer) == expected for scorer in ('a', 'b', 'both'))
