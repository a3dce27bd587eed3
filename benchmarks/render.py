"""Write the numbers and pictures of docs/results.md from what is in benchmarks/results.

A section stands between the comments ``<!-- name -->`` and ``<!-- end -->``; one that has no
results stays as it is.

    python benchmarks/render.py
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import acenas_tables
import closed_loop
import depth_ranking
import few_results
import front
import gpu_speed
import latency
import nao_controller
import peers
import pictures
import predictor
import proxies
import resnet48_proxies
import scaling_report
import scoring
import speed
from jsonargparse import CLI
from stored import read

from nni_rankreg.ablation.summary import COLUMNS, summarise_arms

SHORT = ('Kendall tau-b', '95 % interval', 'each seed')
LANDMARKS = {
    'spos': 'plain SPOS', 'equal-cost': 'SPOS at equal cost', 'landmark': 'SPOS + landmarks',
    'landmark_128': '... ranking batch 128', 'landmark_64': '... ranking batch 64',
    'landmark_32': '... ranking batch 32',
}
DISTILLATION = {
    'spos': 'plain SPOS, as many steps', 'spos, longer': 'SPOS, 2.27 times the epochs',
    'two more sub-nets': 'two more sub-nets a step (RD with a weight of 0)',
    'FairNAS': 'FairNAS', 'sandwich': 'sandwich rule', 'RD flops': 'RD, FLOPs',
    'RD synflow': 'RD, synflow', 'RD naswot': 'RD, NASWOT',
    'RD naswot, Hamming': 'RD, NASWOT, Hamming distance of at least 5',
    'RD naswot, no margin': 'RD, NASWOT, no margin',
    'RD naswot, gap': 'RD, NASWOT, half of the pairs that differ most',
    'landmark': 'landmarks', 'landmark_64, 4 pairs': 'landmarks, 4 pairs of 64 images',
    'RD naswot, strong': 'strong RD, NASWOT', 'RD vote, strong': 'strong RD, vote of four',
    'landmark + RD vote, strong': 'landmarks + strong RD, vote of four',
}
ALGORITHMS = {
    'spos': 'SPOS', 'equal-cost': 'SPOS at equal cost', 'landmark_64, 4 pairs': 'SPOS + landmarks',
    'gdas': 'GDAS', 'gdas, equal-cost': 'GDAS at equal cost', 'gdas + landmark': 'GDAS + landmarks',
    'nao': 'NAO', 'nao, equal-cost': 'NAO at equal cost', 'nao + landmark': 'NAO + landmarks',
}


def runs(folder: Path, seeds: int) -> list[dict[str, Any]]:
    """Return the rankings in a folder, of the first seeds."""
    found = [read(path) for path in sorted(folder.glob('*.json'))]
    return [run for run in found if run['seed'] < seeds]


class Section(NamedTuple):
    """What of the results it shows, and what makes its text from that, as Markdown."""

    source: str
    make: Callable[[Path], str]


def rankings(folder: str, seeds: int, arms: Mapping[str, str],
             columns: Sequence[str] = SHORT) -> Section:
    """Return a section on rankings: of some runs, with these rows and columns."""
    return Section(folder, lambda path: summarise_arms(runs(path, seeds), arms, columns))


SECTIONS = {
    'landmarks': rankings('nb201_ranking', 5, LANDMARKS, COLUMNS),
    'distillation, 5 operations': rankings('nb201_ranking', 3, DISTILLATION),
    'distillation, 4 operations': rankings('nb201_4', 3, DISTILLATION),
    'algorithms, NAS-Bench-201': rankings('nb201_ranking', 3, ALGORITHMS),
    'algorithms, NAS-Bench-101': rankings('nb101_ranking', 3, ALGORITHMS),
    'NAO controller': Section(nao_controller.FILE, nao_controller.report),
    'AceNAS, CIFAR-100': Section('acenas', partial(acenas_tables.by_budget, experiment='c100')),
    'AceNAS, CIFAR-10': Section('acenas', partial(acenas_tables.by_budget, experiment='c10')),
    'AceNAS, ablation': Section('acenas', acenas_tables.ablation),
    'AceNAS, NAS-Bench-101': Section('acenas', partial(
        acenas_tables.report, experiments=acenas_tables.NASBENCH101)),
    'few results': Section(few_results.FILE, few_results.report),
    'closed loop': Section('closed_loop', closed_loop.report),
    'closed loop, reliability': Section('closed_loop', closed_loop.coverage),
    'front': Section('front', front.report),
    'depth': Section('depth', depth_ranking.report),
    'proxies': Section(proxies.FILE, proxies.report),
    'seconds of proxies': Section(proxies.FILE, proxies.report_seconds),
    'ResNet48': Section(resnet48_proxies.FILE, resnet48_proxies.report),
    'speed': Section(speed.FILE, speed.report),
    'GPU': Section(gpu_speed.FILE, gpu_speed.report),
    'scoring': Section(scoring.FILE, scoring.report),
    'latency': Section(latency.FOLDER, latency.report),
    'latency, settings': Section(latency.FOLDER, latency.report_settings),
    'scaling': Section(scaling_report.FILE, scaling_report.report),
    'predictor': Section(predictor.FILE, predictor.report),
    'peers': Section('.', peers.report),
}


def draw(results: Path, folder: Path) -> None:
    """Draw the pictures of what there is."""
    if (results / 'nb201_4').exists():
        pictures.rankings(folder / 'results_ranking.png', {
            'NAS-Bench-201, 5 operations': (runs(results / 'nb201_ranking', 3), DISTILLATION),
            'NAS-Bench-201, 4 operations': (runs(results / 'nb201_4', 3), DISTILLATION)})
    if (results / 'acenas').exists():
        searches = acenas_tables.results(results / 'acenas')
        pictures.budgets(folder / 'results_acenas.png', searches)
        loop = closed_loop.results(results / 'closed_loop')
        pictures.headline(folder / 'headline.png', runs(results / 'nb201_ranking', 3),
                          loop[loop['experiment'] == 'c10'],
                          acenas_tables.of_all_seeds(searches, 'c10'))
    if (results / scaling_report.FILE).exists():
        scaling_report.draw(results, folder)


def main(document: Path = Path('docs/results.md'), results: Path = Path('benchmarks/results'),
         out: Path | None = None) -> None:
    """Write the document with its sections anew, and the pictures beside it.

    Parameters
    ----------
    document
        the file that they stand in
    results
        folder of the results
    out
        folder of what is written; by default that of the document
    """
    out = out or document.parent
    text = document.read_text()
    for name, section in SECTIONS.items():
        begin, end = f'<!-- {name} -->\n', '<!-- end -->'
        if begin not in text:
            raise ValueError(f'Expected a line {begin.strip()} in {document}, got none.')
        source = results / section.source
        if source.exists():
            text = re.sub(f'{re.escape(begin)}.*?{end}',
                          lambda _: f'{begin}{section.make(source)}\n{end}', text, flags=re.DOTALL)
    (out / document.name).write_text(text)
    draw(results, out)


if __name__ == '__main__':
    CLI(main, as_positional=False)
