"""A test that needs the real data is skipped where they are absent, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import places

pytest_plugins = ['pytester']
TESTS = """
import pytest

def test_with_data(shared_data):
    assert list(shared_data.iterdir()) == []

@pytest.mark.skip(reason='today')
def test_skipped_all_the_same(shared_data):
    pass

@pytest.mark.skip(reason='today')
def test_without_data():
    pass
"""


@pytest.mark.parametrize('present, outcomes', [
    (True, {'passed': 1, 'errors': 1, 'skipped': 1}), (False, {'skipped': 3})])
def test_skips(present, outcomes, pytester, tmp_path, monkeypatch):
    monkeypatch.setattr(places, 'DATA', tmp_path if present else tmp_path / 'none')
    pytester.makeini('[pytest]\nmarkers =\n  data\n  gpu')
    pytester.makeconftest((Path(__file__).parent / 'conftest.py').read_text())
    pytester.makepyfile(TESTS)
    pytester.runpytest_inprocess('-p', 'no:cacheprovider').assert_outcomes(**outcomes)
