"""The report of a search from its archive, running or finished."""

from __future__ import annotations

import html
import re
import time

import numpy as np
import pytest

from nni_rankreg.archive import Archive
from nni_rankreg.cli import main
from nni_rankreg.cli.report import report
from nni_rankreg.report import search
from nni_rankreg.report.search import supernet_outcomes
from nni_rankreg.typing import Results

EDGES = ('0_1', '0_2', '1_2', '0_3', '1_3', '2_3')
HISTORY = [{'epoch': 0., 'kendall_tau': .2, 'default': .2},
           {'epoch': 1., 'kendall_tau': .4, 'default': .4}]


def outcome(weights=None):
    return {'best': [], 'scores': [], 'metrics': HISTORY[-1], 'history': HISTORY,
            'weights': weights, 'measured': {'scores': [1., 2., 3.], 'metrics': [.1, .3, .2]}}


@pytest.fixture
def archive(tmp_path):
    archive = Archive(tmp_path / 'search.sqlite')
    for metric, operation in ((.5, 'conv_3x3'), (.9, 'skip_connect'), (.7, '<b>')):
        archive.add({f'cell/{edge}': operation for edge in EDGES}, metric)
    for key, weights in (('super-net 2 ab', '/x/search-supernet-1.pt'),
                         ('super-net 2 cd', '/x/search-control-1.pt'), ('super-net 3 ef', None)):
        archive.record_job(key, 'SuperNet', {})
        archive.record_result(key, outcome(weights))
    return archive


@pytest.mark.slow
def test_page_of_a_finished_search(archive, tmp_path, capsys):
    assert main(['report', str(archive.path), '--top', '2']) == 0
    folder = tmp_path / 'search-report'
    assert f'3 architectures, 3 super-nets: {folder / "index.html"}' in capsys.readouterr().out
    names = {path.name for path in folder.iterdir()}
    assert names == {'index.html', 'cell-1.png', 'cell-2.png', 'kendall_tau.png',
                     'rank-supernet-1.png', 'rank-control-1.png', 'rank-super-net-3.png'}
    page = (folder / 'index.html').read_text()
    assert 'No job is pending' in page and len(page) < 6e6
    shown = re.sub(r'<script.*?</script>', '', page, flags=re.DOTALL)
    assert not re.search(r'(src|href)="(?!data:)', shown)    # nothing is loaded from elsewhere
    assert '<b>' not in shown


def test_page_of_a_running_search(tmp_path):
    archive = Archive(tmp_path / 'a.sqlite')
    archive.record_job('stand-alone x', 'StandAlone', {})
    report(archive.path, tmp_path / 'out')
    page = (tmp_path / 'out' / 'index.html').read_text()
    assert '1 jobs are pending' in page and page.count('None yet.') == 3
    assert len(page) < 10_000, 'what draws is left out as long as nothing is drawn'


def test_space_of_another_form(tmp_path):
    archive = Archive(tmp_path / 'a.sqlite')
    archive.add({'depth': 3, 'width': [1, 2]}, .5)
    report(archive.path)
    assert not list((tmp_path / 'a-report').glob('*.png'))
    assert 'depth' in (tmp_path / 'a-report' / 'index.html').read_text()


def test_a_page_of_thousands_of_rows_is_small(tmp_path):
    """Texts are in it once, and cells that are equally good are drawn for some only."""
    archive = Archive(tmp_path / 'a.sqlite')
    generator = np.random.default_rng(0)
    drawn = generator.choice(['conv_3x3_of_a_long_name', 'skip'], (4000, 60)).tolist()
    samples = [{f'stage_{place}': one for place, one in enumerate(row)} for row in drawn]
    archive.add_many(Results(samples, [.5] * 4000))
    report(archive.path)
    page = (tmp_path / 'a-report' / 'index.html').read_text()
    assert len(page) < 3e6 and page.count('conv_3x3_of_a_long_name') == 60


def test_few_of_many_best_cells_are_drawn(tmp_path, monkeypatch):
    """Also where they are equally good."""
    archive = Archive(tmp_path / 'a.sqlite')
    for operation in ('skip_connect', 'conv_1x1', 'conv_3x3'):
        archive.add({f'cell/{edge}': operation for edge in EDGES}, .5)
    counts = []
    for pictures in (0, 2):
        monkeypatch.setattr(search, '_PICTURES', pictures)
        report(archive.path)
        page = (tmp_path / 'a-report' / 'index.html').read_text()
        counts.append(page.count('data:image/png'))
    assert counts[1] - counts[0] == 2


def test_labels_are_no_html(tmp_path):
    archive = Archive(tmp_path / 'a.sqlite')
    archive.add({'<b>width</b>': 3}, .5)
    report(archive.path)
    page = (tmp_path / 'a-report' / 'index.html').read_text()
    title, = re.findall(r'"title":"(choice .*?)"', page)
    assert html.unescape(title) == 'choice &lt;b&gt;width&lt;/b&gt;'


def test_names_of_supernets(archive):
    assert list(supernet_outcomes(archive)) == ['supernet-1', 'control-1', 'super-net 3']


@pytest.mark.parametrize('words, message', [
    (['none.sqlite'], 'which is not there'), (['.'], 'which is no file'),
    (['{}.csv'], 'which is empty'), (['{}', '--top', '0'], 'top above 0, got 0')])
def test_errors(archive, capsys, words, message):
    empty = archive.path.with_name(f'{archive.path.name}.csv')
    empty.touch()
    assert main(['report', *(word.format(archive.path) for word in words)]) == 2
    assert not empty.stat().st_size
    assert message in capsys.readouterr().err


# In a browser

SOURCE = """
const source = [...Bokeh.documents[0].all_models]
    .find((one) => one.type === 'ColumnDataSource' && 'architecture' in one.data);
"""
ROWS = SOURCE + """
return Object.fromEntries(Object.entries(source.data).map(([name, them]) => [name, [...them]]));
"""
CELLS = """
function* every(root) {
    for (const one of root.querySelectorAll('*')) {
        yield one;
        if (one.shadowRoot) yield* every(one.shadowRoot);
    }
}
return [...every(document)].filter((one) => one.matches(arguments[0]));
"""


def shown(browser, archive):
    """Open the page of a search; return the rows that its plots and its table share."""
    report(archive.path)
    browser.get('about:blank')
    browser.get_log('browser')      # of pages before this one
    browser.get(f'file://{archive.path.with_name("search-report")}/index.html')
    deadline = time.monotonic() + 60
    while not browser.execute_script(f'return window.Bokeh && Bokeh.documents.length && '
                                     f'(() => {{{SOURCE} return source}})()'):
        assert time.monotonic() < deadline
    assert not [one for one in browser.get_log('browser') if one['level'] != 'INFO']
    return browser.execute_script(ROWS)


def cells(browser):
    return [one.text for one in browser.execute_script(CELLS, '.slick-row .slick-cell.l1')]


def wait(browser, metrics):
    deadline = time.monotonic() + 60
    while cells(browser) != metrics:
        assert time.monotonic() < deadline, cells(browser)


@pytest.mark.manager
def test_a_table_that_sorts_and_filters(archive, browser):
    archive.add_costs(archive.results().samples, [{'latency': one} for one in (3., 1., 2.)])
    rows = shown(browser, archive)
    choices = browser.execute_script(CELLS, '.slick-row .slick-cell.l4')
    assert [one.text for one in choices] == ['skip_connect', '<b>', 'conv_3x3']
    assert rows['metric'] == [.9, .7, .5] and rows['training'] == [2, 3, 1]
    assert rows['cost_latency'] == [1., 2., 3.] and rows['choice cell/0_1'][1] == '<b>'
    wait(browser, ['0.9', '0.7', '0.5'])
    metric, = (one for one in browser.execute_script(CELLS, '.slick-header-column')
               if one.text == 'metric')
    metric.click()
    wait(browser, ['0.5', '0.7', '0.9'])
    words, = browser.execute_script(CELLS, 'input[type=text]')
    words.send_keys('skip_connect 0.9\t')
    wait(browser, ['0.9'])


@pytest.mark.manager
def test_hovering_shows_an_architecture_and_its_picture(archive, browser):
    from selenium.webdriver import ActionChains

    shown(browser, archive)
    point = browser.execute_script("""
        const view = [...Bokeh.index.roots].find((one) => one.model.type === 'Figure');
        const canvas = view.canvas_view.el.getBoundingClientRect();
        return [canvas.left + view.frame.x_scale.compute(2),
                canvas.top + view.frame.y_scale.compute(0.9)];
    """)
    actions = ActionChains(browser)
    actions.w3c_actions.pointer_action.move_to_location(*map(round, point))
    actions.perform()
    deadline = time.monotonic() + 60
    while not (images := browser.execute_script(CELLS, 'img')):
        assert time.monotonic() < deadline
    image, = images
    assert image.get_attribute('src').startswith('data:image/png')
    assert 'cell/0_1 skip_connect' in image.find_element('xpath', '..').text


@pytest.mark.slow
@pytest.mark.manager
def test_losses_are_listed_lowest_first(archive, browser):
    archive.record_job('evaluation', 'evaluation', {})
    archive.record_result('evaluation', {'digest': '', 'mode': 'min'})
    rows = shown(browser, archive)
    assert rows['metric'] == [.5, .7, .9] and rows['rank'] == [1, 2, 3]
