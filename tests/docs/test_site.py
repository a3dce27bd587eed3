"""The site in a real browser: built without a warning, shown without an error."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from helpers.places import ROOT

pytestmark = [pytest.mark.manager, pytest.mark.slow]
PAGES = ('index', 'start', 'choosing', 'concepts', 'coming', 'installation', 'tasks', 'nnictl',
         'latency', 'scaling', 'architecture', 'contributing', 'changelog', 'api/index',
         'generated/api/nni_rankreg.loss', 'generated/api/nni_rankreg.loss.PairwiseRankingLoss',
         'generated/tutorials/index',
         *(f'generated/tutorials/{one.stem}' for one in (ROOT / 'docs/tutorials').glob('*.py')),
         *(f'results/{page.stem}' for page in sorted((ROOT / 'docs/results').glob('*.md'))))


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    pytest.importorskip('sphinx')
    folder = tmp_path_factory.mktemp('site')
    docs = folder / 'project' / 'docs'      # the build writes beside its sources
    docs.parent.mkdir()
    for name in ('docs', 'examples', 'nni_rankreg', '.github', 'CHANGELOG.md', 'CONTRIBUTING.md'):
        subprocess.run(['cp', '-r', ROOT / name, docs.parent], check=True)
    built = subprocess.run(
        [sys.executable, '-W', 'ignore', '-m', 'sphinx', '--fail-on-warning', '--keep-going',
         '--quiet', '-D', 'plot_gallery=0', docs, folder / 'html'],
        env={**os.environ, 'MPLBACKEND': 'agg'}, capture_output=True, text=True, timeout=900)
    assert built.returncode == 0, built.stderr[-3000:]
    return folder / 'html'


@pytest.mark.parametrize('width', [1400, 420])
def test_pages_show_without_an_error(site, browser, width):
    browser.set_window_size(width, 1000)
    browser.get('about:blank')
    browser.get_log('browser')      # of pages before these
    for page in PAGES:
        browser.get(f'file://{site}/{page}.html')
        assert browser.find_element('tag name', 'h1').text
        assert not browser.get_log('browser'), page
        wide = browser.execute_script('return document.documentElement.scrollWidth')
        assert wide <= max(width, 500), page        # a window of Chromium is 500 wide at least


def test_search_finds_a_class(site, browser):
    browser.get(f'file://{site}/search.html?q=LandmarkRegularizer')
    found = browser.find_element('css selector', '#search-results a')
    assert 'LandmarkRegularizer' in found.text


def test_nothing_is_loaded_from_elsewhere(site):
    """Links may lead away; what a page is made of may not."""
    for page in site.rglob('*.html'):
        made_of = re.findall(r'<(?:script|img|link|iframe)[^>]*?(?:src|href)="(https?:[^"]*)"',
                             page.read_text(encoding='utf-8'))
        assert not made_of, page


def test_every_public_name_has_a_page(site):
    from nni_rankreg import predictor, regularizer, strategy
    for room in (strategy, regularizer, predictor):
        for name in room.__all__:
            assert (site / f'generated/api/{room.__name__}.{name}.html').exists(), name
