"""The report of a search from its archive, running or finished."""

from __future__ import annotations

import base64
import re

import pytest

from nni_rankreg.archive import Archive
from nni_rankreg.cli import main
from nni_rankreg.cli.report import report
from nni_rankreg.report.search import supernet_outcomes

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


def pictures(page):
    return [base64.b64decode(one) for one in re.findall(r'data:image/png;base64,([^"]+)"', page)]


def test_page_of_a_finished_search(archive, tmp_path, capsys):
    assert main(['report', str(archive.path), '--top', '2']) == 0
    folder = tmp_path / 'search-report'
    assert f'3 architectures, 3 super-nets: {folder / "index.html"}' in capsys.readouterr().out
    names = {path.name for path in folder.iterdir()}
    assert names == {'index.html', 'cell-1.png', 'cell-2.png', 'kendall_tau.png',
                     'rank-supernet-1.png', 'rank-control-1.png', 'rank-super-net-3.png'}
    page = (folder / 'index.html').read_text()
    assert sorted(pictures(page)) == sorted(path.read_bytes() for path in folder.glob('*.png'))
    assert all(one.startswith(b'\x89PNG') for one in pictures(page))
    assert page.index('0.9') < page.index('0.7') and 'No job is pending' in page
    assert not re.search(r'(src|href)="(?!data:)', page)     # nothing is loaded from elsewhere
    assert '<b>' not in page and '&lt;b&gt;' in page


def test_losses_are_listed_lowest_first(archive, tmp_path):
    archive.record_job('evaluation', 'evaluation', {})
    archive.record_result('evaluation', {'digest': '', 'mode': 'min'})
    report(archive.path, top=2)
    page = (tmp_path / 'search-report' / 'index.html').read_text()
    assert page.index('0.5') < page.index('0.7') and '0.9' not in re.sub('base64.*?"', '', page)


def test_page_of_a_running_search(tmp_path):
    archive = Archive(tmp_path / 'a.sqlite')
    archive.record_job('stand-alone x', 'StandAlone', {})
    report(archive.path, tmp_path / 'out')
    page = (tmp_path / 'out' / 'index.html').read_text()
    assert '1 jobs are pending' in page and page.count('None yet.') == 3 and not pictures(page)


def test_space_of_another_form(tmp_path):
    archive = Archive(tmp_path / 'a.sqlite')
    archive.add({'depth': 3, 'width': [1, 2]}, .5)
    report(archive.path)
    assert not list((tmp_path / 'a-report').glob('*.png'))
    assert 'depth' in (tmp_path / 'a-report' / 'index.html').read_text()


def test_names_of_supernets(archive):
    assert list(supernet_outcomes(archive)) == ['supernet-1', 'control-1', 'super-net 3']


@pytest.mark.parametrize('words, message', [(['none.sqlite'], 'which is no file'),
                                            (['{}.csv'], 'which is empty'),
                                            (['{}', '--top', '0'], 'top above 0, got 0')])
def test_errors(archive, capsys, words, message):
    empty = archive.path.with_name(f'{archive.path.name}.csv')
    empty.touch()
    assert main(['report', *(word.format(archive.path) for word in words)]) == 2
    assert not empty.stat().st_size
    assert message in capsys.readouterr().err
