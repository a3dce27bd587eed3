"""The table that a reader of two minutes sees: claims, numbers, controls, from all results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import acenas_tables
import closed_loop
import few_results
import front
import latency
import numpy as np
import pandas as pd
import speed
from rankings import groups
from stored import read

from nni_rankreg.ablation.summary import MEAN_RANK
from nni_rankreg.metric import margin_of_error
from nni_rankreg.report import markdown_table

TRAININGS = 50
# Table of `closed_loop`, claim, trainings.
SEARCHES = (
    ('c10', f'the best of 15,625 cells found within {TRAININGS} trainings, CIFAR-10', TRAININGS),
    ('c100', f'the best of 15,625 cells found within {TRAININGS} trainings, CIFAR-100', TRAININGS),
    ('nb101', 'the best of 151,644 cells of NAS-Bench-101 found within 110 trainings', 110))
RESULTS = 30


class Row(NamedTuple):
    """A claim, its number, its control, what else there is to compare with, and the page on it."""

    claim: str
    page: str
    here: str | None
    control: str | None
    beside: str | None = None


CONTROLS = ('equal-cost', 'spos, longer', 'two more sub-nets')
LANDMARKS = 'landmark_64, 4 pairs'
# Claim, group of rankings, arm, its controls, page.
RANKINGS = (
    ('tau of a super-net of NAS-Bench-201, CIFAR-10, with 30 landmarks',
     'NAS-Bench-201, 5 operations', LANDMARKS, CONTROLS, 'distillation'),
    ('the same, taught by the vote of four proxies',
     'NAS-Bench-201, 5 operations', 'RD vote, strong', CONTROLS, 'distillation'),
    ('the same by GDAS, with landmarks',
     'NAS-Bench-201, 5 operations', 'gdas + landmark', ('gdas, equal-cost',), 'algorithms'),
    ('the same by NAO, with landmarks',
     'NAS-Bench-201, 5 operations', 'nao + landmark', ('nao, equal-cost',), 'algorithms'),
    ('the same without the operation none, with landmarks',
     'NAS-Bench-201, 4 operations', LANDMARKS, CONTROLS, 'distillation'),
    ('the same without the operation none, landmarks and proxies',
     'NAS-Bench-201, 4 operations', 'landmark + RD vote, strong', CONTROLS, 'distillation'),
    ('the same on NAS-Bench-101, with landmarks',
     'NAS-Bench-101', LANDMARKS, CONTROLS, 'nasbench101'),
    ('the same in monocular depth, V1, with landmarks',
     'monocular depth, V1', 'landmark', CONTROLS, 'depth'),
    ('the same in monocular depth, V2, with landmarks',
     'monocular depth, V2', 'landmark', CONTROLS, 'depth'))


def report(results: Path) -> str:
    """Return the claims that there are results for, as Markdown."""
    rows = [row for make in (_rankings, _searches, _predictor, _front, _latency, _speed)
            for row in make(results)]
    return markdown_table(['what was measured', 'here', 'control', 'beside it'], [
        [f'[{row.claim}]({row.page}.md)', row.here, row.control, row.beside]
        for row in rows if row.here])


def _rankings(results: Path) -> Iterator[Row]:
    found = {group.title: group for group in groups(results)}
    for claim, title, arm, controls, page in RANKINGS:
        if title in found:
            group = found[title]
            yield Row(claim, page, _tau(group.runs, [arm]),
                      _say(_tau(group.runs, controls), 'plain'),
                      f'{np.mean(group.teachers[MEAN_RANK]):+.2f} proxies alone'
                      if group.teachers else None)


def _searches(results: Path) -> Iterator[Row]:
    loop, others = closed_loop.results(results / 'closed_loop'), _others(results)
    for experiment, claim, trainings in SEARCHES:
        found = {method: f'{int((rows["trained"] <= trainings).sum())} of {len(rows)}'
                 for (table, method), rows in loop.groupby(['experiment', 'method'])
                 if table == experiment} if len(loop) else {}
        rivals = acenas_tables.WHOLE.get(experiment, experiment)
        yield Row(claim, 'closed_loop', found.get('ensemble'),
                  _say(found.get('boosted'), 'LightGBM, the same evidence'),
                  _join(_say(others(rivals, method, trainings - 10), name) for method, name in (
                      ('LambdaRank', 'AceNAS as published'), ('evolution', 'evolution'),
                      ('random', 'random'))))


def _others(results: Path) -> Callable[[str, str, int], str | None]:
    """Return a function: table, method, trainings before the top ten -> how many found the best."""
    folder = results / 'acenas'
    frame = acenas_tables.results(folder) if folder.exists() else pd.DataFrame()

    def found(experiment: str, method: str, budget: int) -> str | None:
        if frame.empty:
            return None
        rows = acenas_tables.of_all_seeds(frame, experiment)
        rows = rows[(rows['method'] == method) & (rows['budget'] == budget)]
        return f'{int(rows["trained"].notna().sum())} of {len(rows)}' if len(rows) else None
    return found


def _predictor(results: Path) -> Iterator[Row]:
    rows = pd.DataFrame(read(results / few_results.FILE).get('rows', []))
    if len(rows):
        rows = rows[(rows['experiment'] == 'c10') & (rows['results'] == RESULTS)]
        taus = {name: _mean(part['all'].tolist()) for name, part in rows.groupby('method')}
        yield Row(f'tau over all cells, CIFAR-10, from evidence and {RESULTS} results',
                  'few_results', taus.get('ensemble'), _say(taus.get('vote'), 'evidence alone'),
                  _say(taus.get('trees'), 'trees without a prior'))


def _front(results: Path) -> Iterator[Row]:
    frame = front.results(results / 'front')
    if len(frame):
        place = front.BUDGETS.index(TRAININGS)
        means = frame.assign(share=[one['all'][place] for one in frame['shares']]).groupby(
            ['method', 'columns'])['share'].mean()
        shares = {method: _span(part, '.3f') for method, part in means.groupby('method')}
        yield Row(f'hypervolume of the front, accuracy and latency, after {TRAININGS} trainings',
                  'front', shares.get('front'), _say(shares.get('nsga-ii'), 'NSGA-II'),
                  _say(shares.get('random'), 'random'))


def _latency(results: Path) -> Iterator[Row]:
    found = [one['rows'] for name in latency.SPACES
             if (one := read(results / latency.FOLDER / f'{name}.json').get('result'))]
    if found:
        flops = [row['error'] for rows in found for way, row in rows.items() if 'FLOPs' in way]
        yield Row('error of predicted milliseconds, four spaces', 'latency',
                  _span([rows['MeasuredLatency']['error'] for rows in found], '.1%'),
                  _say(_span(flops, '.1%'), 'a line through FLOPs'))


def _speed(results: Path) -> Iterator[Row]:
    ratios = {name: row['ratio'] for name, row in read(results / speed.FILE).items()
              if 'GDAS / GumbelDARTS' in name and not name.endswith('activations')}
    kinds = [[ratio for name, ratio in ratios.items() if ('widths' in name) == over_widths]
             for over_widths in (False, True)]
    yield Row('time of a step of GDAS, over layers, over widths', 'speed',
              ', '.join(_span(one, '.2f') for one in kinds if one), "1, NNI's GumbelDARTS")


def _tau(known: Sequence[Mapping[str, Any]], arms: Sequence[str]) -> str | None:
    """Return the correlation of the best of some arms."""
    taus = [[run['kendall_tau'] for run in known if run['arm'] == arm] for arm in arms]
    best = max(taus, key=lambda one: np.mean(one) if len(one) > 1 else -np.inf)
    return _mean(best) if len(best) > 1 else None


def _mean(taus: Sequence[float]) -> str:
    half = margin_of_error(taus)
    return f'{np.mean(taus):+.2f} [{np.mean(taus) - half:+.2f}, {np.mean(taus) + half:+.2f}]'


def _span(values: Sequence[float], form: str) -> str:
    low, high = f'{min(values):{form}}', f'{max(values):{form}}'
    return low if low == high else f'{low} to {high}'


def _join(texts: Iterable[str | None]) -> str:
    return ', '.join(filter(None, texts))


def _say(value: str | None, title: str) -> str | None:
    return value and f'{value} {title}'
