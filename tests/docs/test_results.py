"""The tables of docs/results.md are those of the stored results."""

from __future__ import annotations

import pytest
from helpers.places import ROOT

DOCUMENT = ROOT / 'docs' / 'results.md'


@pytest.fixture
def render(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / 'benchmarks')
    import render
    monkeypatch.setattr(render, 'draw', lambda *_: None)  # pictures take long
    return render


def test_tables_are_those_of_the_results(render, tmp_path):
    render.main(DOCUMENT, ROOT / 'benchmarks' / 'results', tmp_path)
    assert (tmp_path / DOCUMENT.name).read_text() == DOCUMENT.read_text()


def test_tables_without_results_stay(render, tmp_path):
    text = '\n'.join(f'<!-- {name} -->\n| {name} |\n<!-- end -->' for name in render.SECTIONS)
    (tmp_path / 'results.md').write_text(text)
    render.main(tmp_path / 'results.md', tmp_path / 'nothing', tmp_path)
    assert (tmp_path / 'results.md').read_text() == text


def test_a_document_without_a_table(render, tmp_path):
    (tmp_path / 'results.md').write_text('# Results\n')
    with pytest.raises(ValueError, match='Expected a line <!-- landmarks --> in .*results.md'):
        render.main(tmp_path / 'results.md', ROOT / 'benchmarks' / 'results', tmp_path)
