"""Times as ratios to what others take, in short: a row for each pair that was measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import proxies
import scoring
import speed
from rankings import runs
from stored import read

from nni_rankreg.report import markdown_table


class Row(NamedTuple):
    """A pair: what, ratios of one time to the other, what was aimed at, and the page on it."""

    what: str
    ratios: Sequence[float]
    aim: float | None
    page: str


def report(results: Path) -> str:
    """Return the smallest and the largest ratio of each pair, as Markdown."""
    rows = [row for make in (_steps, _scores, _proxies, _landmarks) for row in make(results)]
    return markdown_table(['what', 'time as a ratio', 'aim', 'page'], [
        [row.what, ' to '.join(dict.fromkeys(f'{end(row.ratios):.2f}' for end in (min, max))),
         None if row.aim is None else f'{row.aim:.2f}', f'[{row.page}]({row.page}.md)']
        for row in rows if row.ratios])


def _steps(results: Path) -> Iterator[Row]:
    """Yield the pairs of strategies, without those of two of ours."""
    steps = {name: row for name, row in read(results / speed.FILE).items()
             if name.startswith('step') and not name.endswith('activations')
             and 'of GDAS' not in name}
    for pair in dict.fromkeys(name.split(', ')[1] for name in steps):
        rows = [row for name, row in steps.items() if name.split(', ')[1] == pair]
        ours, other = pair.split(' / ')
        yield Row(f"step of {ours}, to NNI's {other}", [row['ratio'] for row in rows],
                  rows[0]['target'], 'speed')


def _scores(results: Path) -> Iterator[Row]:
    yield Row('score of an architecture, to a plain loop', [
        1 / row['loop_median'] for rows in read(results / scoring.FILE).values() for row in rows
        if row['contender'] == 'all of it, 1 process'], 0.5, 'scoring')


def _proxies(results: Path) -> Iterator[Row]:
    yield Row('zero-cost proxy, to freeze and score', [
        row['ours'] / sum(row['straightforward'])
        for row in read(results / proxies.FILE).get('seconds', {}).values()
        if 'straightforward' in row], None, 'proxies')


def _landmarks(results: Path) -> Iterator[Row]:
    """Yield what landmarks cost, as a ratio to plain SPOS of the same seed."""
    seconds = {(run['arm'], run['seed']): run['seconds']
               for run in runs(results / 'nb201_ranking', 5)}
    for arm, title in (('landmark', '256 images'), ('landmark_64', '64 images')):
        found = [value / seconds['spos', seed] for (of, seed), value in seconds.items()
                 if of == arm and ('spos', seed) in seconds]
        yield Row(f'training with landmarks, pairs on {title}, to plain SPOS',
                  [fmean(found)] if found else [], 1.35, 'landmarks')
