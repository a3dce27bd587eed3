"""Others at the same work: ratios from the results of the other benchmarks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import acenas_tables
import proxies
import speed
from stored import read

from nni_rankreg.report import markdown_table

BUDGET = 40                        # architectures that a search trains before the top ten
PEERS = {'random': 'random search', 'evolution': 'regularised evolution',
         'LightGBM': "LightGBM's LambdaRank in place of the predictor"}


def report(results: Path) -> str:
    """Return the ratios, as Markdown; a ratio below 1 is in our favour."""
    rows = [*_steps(results), *_searches(results), *_proxies(results)]
    return markdown_table(['what', 'ours', 'peer', 'its value', 'ratio'], rows)


def _steps(results: Path) -> list[list[Any]]:
    rows = []
    for name, row in read(results / speed.FILE).items():
        if name.startswith('step') and not name.endswith('activations') and 'of GDAS' not in name:
            contenders, where = name.removeprefix('step, ').split(', ', 1)
            ours, peer = contenders.split(' / ')
            rows.append([f'step of {ours}, {where}', f'{row["ours"]:.1f} ms',
                         f"NNI's {peer}", f'{row["other"]:.1f} ms', f'{row["ratio"]:.2f}'])
    return rows


def _searches(results: Path) -> list[list[Any]]:
    if not (results / 'acenas').exists():
        return []
    frame = acenas_tables.results(results / 'acenas')
    frame = frame[(frame['experiment'] == 'c100') & (frame['budget'] == BUDGET)]
    optimum = frame.loc[frame['rank'] == 1, 'test'].max()  # of the table: some search has it
    regret = {method: optimum - rows['test'].mean() for method, rows in frame[
        frame['pretraining'].isin(['weights', ''])].groupby('method')}
    ours = regret['LambdaRank']
    return [[f'points below the best of CIFAR-100, {BUDGET + acenas_tables.arms.TOP} trainings',
             f'{ours:.3f}', title, f'{regret[name]:.3f}', f'{ours / regret[name]:.2f}']
            for name, title in PEERS.items()]


def _proxies(results: Path) -> list[list[Any]]:
    rows = []
    for name, row in read(results / proxies.FILE).get('seconds', {}).items():
        for peer, seconds in (('freeze and score', sum(row.get('straightforward', []))),
                              ('NASLib, as published, another machine', row.get('published'))):
            if seconds:
                rows.append([f'{name} of an architecture', f'{row["ours"]:.3f} s', peer,
                             f'{seconds:.3f} s', f'{row["ours"] / seconds:.2f}'])
    return rows
