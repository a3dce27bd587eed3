"""Write the tables and pictures of docs/results from what is in benchmarks/results.

A page is Markdown. What is made from results stands in it between the comments ``<!-- name -->``
and ``<!-- end -->``, all else is written by hand; what has no results stays as it is.

    python benchmarks/render.py
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import acenas_tables
import closed_loop
import depth_ranking
import few_results
import forest
import front
import gpu_speed
import headline
import latency
import nao_controller
import peers
import pictures
import predictor
import proxies
import rankings
import ratios
import resnet48_proxies
import scaling_report
import scoring
import speed
import supernet_or_evidence
import teachers
from jsonargparse import CLI

from nni_rankreg.ablation.summary import COLUMNS


class Section(NamedTuple):
    """What of the results it shows, and what makes its text from that, as Markdown."""

    source: str
    make: Callable[[Path], str]


def arms(folder: str, chosen: Mapping[str, str]) -> Section:
    """Return a table of rankings with some arms."""
    return Section(folder, partial(rankings.table, arms=chosen))


def alone(space: str) -> Section:
    """Return the table of what ranks a space without any training."""
    return Section(teachers.FILE, partial(teachers.report, space=space))


PAGES = {
    'index': {'headline': Section('.', headline.report), 'ratios': Section('.', ratios.report)},
    'landmarks': {
        'setting': Section('nb201_ranking', partial(rankings.settings, seeds=5)),
        'landmarks': Section('nb201_ranking', partial(
            rankings.table, arms=rankings.LANDMARKS, columns=COLUMNS, seeds=5))},
    'distillation': {
        'setting': Section('nb201_ranking', rankings.settings),
        '5 operations': arms('nb201_ranking', rankings.DISTILLATION),
        '5 operations, without training': alone('NAS-Bench-201, 5 operations'),
        '4 operations': arms('nb201_4', rankings.DISTILLATION),
        '4 operations, without training': alone('NAS-Bench-201, 4 operations')},
    'algorithms': {
        'setting': Section('nb201_ranking', rankings.settings),
        'algorithms': arms('nb201_ranking', rankings.ALGORITHMS)},
    'nasbench101': {
        'setting': Section('nb101_ranking', rankings.settings),
        'algorithms': arms('nb101_ranking', rankings.ALGORITHMS),
        'without training': alone('NAS-Bench-101')},
    'depth': {
        'setting': Section('depth', depth_ranking.settings),
        'depth': Section('depth', depth_ranking.report)},
    'closed_loop': {
        'closed loop': Section('closed_loop', closed_loop.report),
        'other tables': Section('closed_loop', partial(closed_loop.report,
                                                       experiments=closed_loop.OTHERS))},
    'reliability': {'reliability': Section('closed_loop', closed_loop.coverage)},
    'few_results': {'few results': Section(few_results.FILE, few_results.report)},
    'front': {'front': Section('front', front.report)},
    'acenas': {
        'CIFAR-100': Section('acenas', partial(acenas_tables.by_budget, experiment='c100')),
        'CIFAR-10': Section('acenas', partial(acenas_tables.by_budget, experiment='c10'))},
    'acenas_losses': {
        'losses': Section('acenas', acenas_tables.ablation),
        'together': Section('acenas', acenas_tables.margins)},
    'acenas_nasbench101': {'NAS-Bench-101': Section('acenas', partial(
        acenas_tables.report, experiments=acenas_tables.NASBENCH101))},
    'predictor': {'predictor': Section(predictor.FILE, predictor.report)},
    'nao_controller': {'controller': Section(nao_controller.FILE, nao_controller.report)},
    'speed': {'speed': Section(speed.FILE, speed.report)},
    'scoring': {'scoring': Section(scoring.FILE, scoring.report)},
    'scaling': {'scaling': Section(scaling_report.FILE, scaling_report.report)},
    'gpu': {'GPU': Section(gpu_speed.FILE, gpu_speed.report)},
    'latency': {
        'setting': Section(latency.FOLDER, latency.report_settings),
        'latency': Section(latency.FOLDER, latency.report)},
    'peers': {'peers': Section('.', peers.report)},
    'proxies': {
        'proxies': Section(proxies.FILE, proxies.report),
        'seconds': Section(proxies.FILE, proxies.report_seconds)},
    'supernet_or_evidence': {
        space: Section(supernet_or_evidence.FILE, partial(supernet_or_evidence.report, space=space))
        for space in supernet_or_evidence.SPACES},
    'resnet48': {'ResNet48': Section(resnet48_proxies.FILE, resnet48_proxies.report)},
}


def fill(text: str, page: Path, sections: Mapping[str, Section], results: Path) -> str:
    """Return the text of a page with its sections anew.

    Raises
    ------
    ValueError
        If the place of a section is not in the text.
    """
    for name, section in sections.items():
        begin, end = f'<!-- {name} -->\n', '<!-- end -->'
        if begin not in text:
            raise ValueError(f'Expected a line {begin.strip()} in {page}, got none.')
        source = results / section.source
        if source.exists():
            text = re.sub(f'{re.escape(begin)}.*?{end}',
                          lambda _: f'{begin}{section.make(source)}\n{end}', text,
                          flags=re.DOTALL)
    return text


def draw(results: Path, folder: Path) -> None:
    """Draw the pictures of what there is."""
    if found := rankings.groups(results):
        forest.draw(folder / 'results' / 'forest.png', found)
        forest.draw(folder / 'results' / 'distillation.png', [
            group._replace(arms=rankings.DISTILLATION) for group in found
            if 'NAS-Bench-201' in group.title])
    if (results / 'acenas').exists() and (results / 'closed_loop').exists():
        searches = acenas_tables.results(results / 'acenas')
        loop = closed_loop.results(results / 'closed_loop')
        pictures.budgets(folder / 'results' / 'acenas.png', searches)
        pictures.optimum(folder / 'results' / 'optimum.png', loop, searches)
        pictures.headline(folder / 'headline.png', found, loop[loop['experiment'] == 'c10'],
                          acenas_tables.of_all_seeds(searches, 'c10'))
    if (results / supernet_or_evidence.FILE).exists():
        pictures.supernet_or_evidence(
            folder / 'results' / 'supernet_or_evidence.png',
            list(supernet_or_evidence.ranked(results, 'NAS-Bench-201')))
    if (results / scaling_report.FILE).exists():
        scaling_report.draw(results, folder / 'results')


def main(docs: Path = Path('docs'), results: Path = Path('benchmarks/results'),
         out: Path | None = None) -> None:
    """Write the pages with their sections anew, and the pictures beside them.

    Parameters
    ----------
    docs
        folder of the site, with the pages in results/
    results
        folder of the results
    out
        folder of what is written; by default that of the site
    """
    out = out or docs
    (out / 'results').mkdir(parents=True, exist_ok=True)
    for name, sections in PAGES.items():
        page = docs / 'results' / f'{name}.md'
        (out / 'results' / page.name).write_text(fill(page.read_text(), page, sections, results))
    draw(results, out)


if __name__ == '__main__':
    CLI(main, as_positional=False)
