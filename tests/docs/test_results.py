"""The pages of docs/results: their tables are those of the stored results, their form is one."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest
from helpers.places import ROOT
from scipy import stats

FOLDER = ROOT / 'docs' / 'results'
RESULTS = ROOT / 'benchmarks' / 'results'
PAGES = sorted(page for page in FOLDER.glob('*.md') if page.stem != 'index')
FORM = ['Claim', 'Setting', 'Command', 'Result', 'Caveats']


@pytest.fixture
def render(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / 'benchmarks')
    import render
    monkeypatch.setattr(render, 'draw', lambda *_: None)  # pictures take long
    return render


def cells(line):
    return [cell.strip() for cell in line.strip()[1:-1].split('|')]


def test_tables_are_those_of_the_results(render, tmp_path):
    render.main(ROOT / 'docs', RESULTS, tmp_path)
    for page in FOLDER.glob('*.md'):
        names = re.findall('<!-- (.*) -->', page.read_text())[::2]
        assert names == list(render.PAGES.get(page.stem, {})), page.name
        if names:
            assert (tmp_path / 'results' / page.name).read_text() == page.read_text()


def test_tables_without_results_stay(render, tmp_path):
    render.main(ROOT / 'docs', tmp_path / 'nothing', tmp_path)
    for name in render.PAGES:
        page = FOLDER / f'{name}.md'
        assert (tmp_path / 'results' / page.name).read_text() == page.read_text()


def test_the_first_tables_take_what_there_is(render, tmp_path):
    """A folder with rankings of one space, and nothing else."""
    import headline
    import ratios
    assert len(headline.report(tmp_path).splitlines()) == 2
    assert len(ratios.report(tmp_path).splitlines()) == 2
    (tmp_path / 'nb101_ranking').symlink_to(RESULTS / 'nb101_ranking')
    row, = headline.report(tmp_path).splitlines()[2:]
    whole = headline.report(RESULTS)
    assert cells(row)[:2] in [cells(line)[:2] for line in whole.splitlines()]
    assert 'proxies' not in row     # whose correlations are not in this folder


def test_sections_stand_between_their_comments(render, tmp_path):
    (tmp_path / 'one').mkdir()
    page = tmp_path / 'page.md'
    text = 'A\n<!-- {0} -->\n{1}<!-- end -->\nB\n<!-- two -->\n<!-- end -->'
    sections = {name: render.Section(name, lambda path: f'{path.name} is new')
                for name in ('one', 'two')}
    assert render.fill(text.format('one', 'old\n'), page, sections, tmp_path
                       ) == text.format('one', 'one is new\n')
    with pytest.raises(ValueError, match='Expected a line <!-- one --> in .*page.md, got none'):
        render.fill(text.format('three', ''), page, sections, tmp_path)


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.stem)
def test_form(page):
    title, *sections = re.split('^## ', page.read_text(), flags=re.MULTILINE)
    assert re.fullmatch(r'# .+\n\n', title)
    found = dict(section.split('\n', 1) for section in sections)
    assert list(found) == FORM
    assert 1 <= len(re.split(r'(?<=[.!?])\s+', found['Claim'].strip())) <= 2
    assert re.search(r'^\| *:?-', found['Setting'], re.MULTILINE)
    commands, = re.findall('```console\n(.*?)\n```', found['Command'], re.DOTALL)
    assert all(line.startswith('$ ') for line in commands.replace('\\\n', '').splitlines())
    assert re.search(r'^(\| *:?-|!\[)', found['Result'], re.MULTILINE)
    caveats = re.findall(r'^\* .*(?:\n  .*)*\n', found['Caveats'], re.MULTILINE)
    assert 1 <= len(caveats) <= 5 and ''.join(caveats) == found['Caveats'].lstrip('\n')


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.stem)
def test_decimals_of_claims_are_those_of_the_tables(page):
    """Rounded, and as per cent where the claim says so."""
    text = page.read_text()
    claim = re.search('## Claim\n(.*?)\n##', text, re.DOTALL).group(1)
    tables = ' '.join(line for line in text.splitlines() if line.startswith('|'))
    known = [float(number) for number in re.findall(r'[-+]?\d+\.?\d*(?:e-?\d+)?', tables)]
    for number in re.findall(r'[-+]?\d+\.(?:\d+)', claim):
        digits = len(number.split('.')[1])
        values = [round(sign * factor * one, digits) for one in known for factor in (1, 100)
                  for sign in ((1,) if number[0] in '+-' else (1, -1))]
        assert float(number) in values, (page.stem, number)


def test_all_pages_are_in_the_index_and_all_failures_lead_somewhere():
    text = (FOLDER / 'index.md').read_text()
    trees = ''.join(re.findall('```{toctree}(.*?)```', text, re.DOTALL))
    assert sorted(re.findall(r'^\w+$', trees, re.MULTILINE)) == [page.stem for page in PAGES]
    box, = re.findall(':::{admonition} What did not work\n(.*?)\n:::', text, re.DOTALL)
    failures = [line for line in box.splitlines() if line.startswith('* ')]
    assert len(failures) > 5 and all(re.search(r'\]\(\w+\.md\)', line) for line in failures)


def test_the_table_of_the_readme_is_part_of_the_first_table():
    """But for where its links begin."""
    first = [cells(line) for line in (FOLDER / 'index.md').read_text().splitlines()
             if line.startswith('|')]
    readme = (ROOT / 'README.md').read_text().replace('(docs/results/', '(')
    begin = readme.index('| what was measured')
    rows = [cells(line) for line in readme[begin:readme.index('\n\n', begin)].splitlines()]
    assert len(rows) > 4 and rows[0] in first
    assert all(row in first for row in rows[2:])


def test_the_first_claim_against_scipy():
    row = next(cells(line) for line in (FOLDER / 'index.md').read_text().splitlines()
               if line.startswith('| [tau of a super-net'))
    runs = [json.loads(path.read_text()) for path in (RESULTS / 'nb201_ranking').glob('*.json')]

    def describe(arm):
        taus = [run['kendall_tau'] for run in runs if run['arm'] == arm and run['seed'] < 3]
        low, high = stats.t.interval(0.95, 2, np.mean(taus), stats.sem(taus))
        return f'{np.mean(taus):+.2f} [{low:+.2f}, {high:+.2f}]'
    assert row[1] == describe('landmark_64, 4 pairs')
    assert row[2] == f'{describe("spos, longer")} plain'


def test_curves_have_whatever_methods_there_are(render, tmp_path, monkeypatch):
    import pictures
    drawn = []
    monkeypatch.setattr(pictures, 'write', lambda figure, path: drawn.append(figure))
    loop = pd.DataFrame([
        {'experiment': 'c10', 'method': 'ensemble', 'trained': 2., 'rows': [5, 6, 7]},
        {'experiment': 'c10', 'method': 'ensemble', 'trained': None, 'rows': [5, 6, 7]},
        {'experiment': 'a new one', 'method': 'another', 'trained': 3., 'rows': [1, 2, 3]}])
    others = pd.DataFrame(columns=['experiment', 'method', 'pretraining', 'budget', 'rank', 'test'])
    pictures.optimum(tmp_path / 'curves.png', loop, others)
    panels = {ax.get_title(): ax for ax in drawn[0].axes if ax.get_title()}
    assert list(panels) == ['CIFAR-10, 15,625 cells', 'a new one']
    known, new = ([(line.get_label(), [*line.get_xdata()], [*line.get_ydata()])
                   for line in ax.get_lines()] for ax in panels.values())
    assert known == [('all evidence (this package)', [1, 2, 3], [0., 50., 50.])]
    assert new == [('another', [1, 2, 3], [0., 0., 100.])]


def test_forest_has_each_arm_and_what_needs_no_training(render, tmp_path, monkeypatch):
    import forest
    import rankings
    drawn = []
    monkeypatch.setattr(forest, 'write', lambda figure, path: drawn.append(figure))
    runs = [{'arm': arm, 'kendall_tau': tau} for arm, taus in (
        ('spos', (0.1, 0.3)), ('landmark', (0.5, 0.7))) for tau in taus]
    runs.append({'arm': 'gdas', 'kendall_tau': 0.})      # of one seed only
    teachers = {'flops': [0.4, 0.4], 'mean of their ranks': [0.6, 0.6]}
    forest.draw(tmp_path / 'forest.png', [
        rankings.Group('a space', runs, {'spos': 'plain', 'landmark': 'ours', 'gdas': 'one seed'},
                       teachers)])
    ax, = drawn[0].axes
    assert [label.get_text() for label in ax.get_yticklabels()] == [
        forest.NO_TRAINING, 'plain', 'ours']
    middles = [float(container.lines[0].get_xdata()[0]) for container in ax.containers]
    assert middles == pytest.approx([0.6, 0.2, 0.6])
