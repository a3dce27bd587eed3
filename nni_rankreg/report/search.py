"""The report of a search, running or finished: pictures, and one page to work with."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from bokeh.models import ColumnDataSource, LayoutDOM

from .._util.path import user_path
from ..archive import Archive
from ..predictor import read_reliability, reliability_rounds
from ..typing import Results, Sample
from .cell import cell_figure, draw_cell
from .page import search_page
from .plots import (
    architecture_table,
    epochs_plot,
    front_plot,
    ranks_plot,
    reliability_plot,
    trainings_plot,
)
from .ranking import rank_scatter, tau_per_epoch

__all__ = ['report_search', 'supernet_outcomes']

_EDGE = re.compile(r'.*/([0-2])_([1-3])')
_TAUS = ('kendall_tau', 'kendall_tau_landmarks')
_COST, _CHOICE = 'cost_', 'choice '  # begin the names of columns
_NOTHING = 'data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=='
_PICTURES = 50  # of the best cells: each costs 10 kB of the page and a tenth of a second


def report_search(archive: Archive, folder: Path, top: int = 5) -> str:
    """Draw the cells and the rankings of a search, and write the page ``index.html``.

    The page shows all trainings, the front of metric and each cost, the ranks by each super-net,
    how well each source had predicted the trainings, and a table to sort and filter. It needs no
    other file and no internet.

    Parameters
    ----------
    archive
        Of the search.
    folder
        Of the pictures and the page; it is made if need be.
    top
        Number of best architectures whose cells are drawn into files of their own.

    Returns
    -------
    str
        How much there is, in words.
    """
    folder = user_path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    outcomes, mode = supernet_outcomes(archive), archive.mode or 'max'
    _draw_rankings(folder, outcomes, mode)
    _draw_cells(folder, archive.best(top))
    state = (f'{len(archive)} architectures trained stand-alone, {len(outcomes)} super-nets. '
             f'{_pending(archive)}')
    page = search_page(archive.path.name, state, {
        **_architectures(archive, mode), 'Super-nets': _supernets(outcomes, mode),
        'Predictions and what trainings showed': _predictions(archive)})
    (folder / 'index.html').write_text(page, encoding='utf-8')
    return f'{len(archive)} architectures, {len(outcomes)} super-nets'


def _architectures(archive: Archive, mode: str) -> dict[str, list[LayoutDOM]]:
    """Return the sections of all architectures; what is selected in one is selected in all."""
    frame = _trained(archive, mode)
    if frame.empty:
        return {'Trainings': []}
    rows = ColumnDataSource(frame)
    costs, choices = ([name for name in map(str, frame) if name.startswith(kind)]
                      for kind in (_COST, _CHOICE))
    return {'Trainings': [trainings_plot(rows, mode),
                          *(front_plot(rows, cost, mode) for cost in costs)],
            'Architectures': [architecture_table(rows, ['rank', 'metric', 'training', *costs],
                                                 choices)]}


def _trained(archive: Archive, mode: str) -> pd.DataFrame:
    """Return a row for each architecture, the best first; repeats are averaged."""
    every = archive.to_frame()
    kept = {name: 'mean' for name in map(str, every)
            if name == 'metric' or name.startswith(_COST)}
    frame = every.groupby('sample', sort=False).agg(kept).reset_index()
    samples = [json.loads(text) for text in frame.pop('sample')]
    frame.insert(0, 'training', range(1, len(frame) + 1))
    frame['rank'] = frame['metric'].rank(ascending=mode == 'min', method='min').astype(int)
    frame['architecture'] = [', '.join(f'{label} {choice}' for label, choice in sample.items())
                             for sample in samples]
    frame['picture'] = [_picture(sample) if rank <= _PICTURES else _NOTHING
                        for sample, rank in zip(samples, frame['rank'])]
    for label in dict.fromkeys(label for sample in samples for label in sample):
        frame[f'{_CHOICE}{label}'] = [str(sample.get(label, '')) for sample in samples]
    return frame.sort_values('rank', kind='stable')


def _supernets(outcomes: Mapping[str, Mapping[str, Any]], mode: str
               ) -> list[LayoutDOM | pd.DataFrame]:
    last = pd.DataFrame([{'super-net': name, **outcome['metrics']}
                         for name, outcome in outcomes.items()])
    return [*(epochs_plot(histories, metric)
              for metric, histories in _histories(outcomes).items()),
            *(ranks_plot(name, measured['scores'], measured['metrics'], mode)
              for name, measured in _measured(outcomes).items()),
            *([last] if len(last) else [])]


def _predictions(archive: Archive) -> list[LayoutDOM | pd.DataFrame]:
    table, rounds = read_reliability(archive).table(), reliability_rounds(archive)
    plots = [reliability_plot(rounds)] if rounds['tau'].notna().any() else []
    return [*plots, table] if len(table) else []


def _measured(outcomes: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return scores and metrics of the super-nets that have been measured."""
    found = {name: outcome.get('measured') or {} for name, outcome in outcomes.items()}
    return {name: one for name, one in found.items() if len(one.get('scores', ())) >= 2}


def _histories(outcomes: Mapping[str, Mapping[str, Any]]
               ) -> dict[str, dict[str, list[Mapping[str, Any]]]]:
    """Return the rows with each rank correlation, super-net by super-net."""
    found: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    for metric in _TAUS:
        for name, outcome in outcomes.items():
            rows = [row for row in outcome.get('history', ()) if metric in row]
            if rows:
                found.setdefault(metric, {})[name] = rows
    return found


def supernet_outcomes(archive: Archive) -> dict[str, dict[str, Any]]:
    """Return the outcomes of the trained super-nets by name, in the order of their training.

    Parameters
    ----------
    archive
        Of a search.
    """
    found = {}
    for key in archive.jobs().query("kind == 'SuperNet' and status == 'done'")['key']:
        outcome = archive.job_result(key) or {}
        weights = Path(outcome.get('weights') or '').stem
        name = weights.removeprefix(f'{archive.path.stem}-') or ' '.join(key.split()[:2])
        found[name] = outcome
    return found


def _pending(archive: Archive) -> str:
    count = int((archive.jobs()['status'] == 'pending').sum())
    if not count:
        return 'No job is pending.'
    return f'{count} jobs are pending: the search runs, or was interrupted.'


def _draw_rankings(folder: Path, outcomes: Mapping[str, Mapping[str, Any]], mode: str) -> None:
    """Draw the ranks by each super-net, and the rank correlation of each over its epochs."""
    for name, measured in _measured(outcomes).items():
        rank_scatter(folder / f'rank-{_file_name(name)}.png', {name: measured['scores']},
                     measured['metrics'], mode=mode)
    for metric, histories in _histories(outcomes).items():
        tau_per_epoch(folder / f'{metric}.png', histories, metric=metric)


def _draw_cells(folder: Path, best: Results) -> None:
    for rank, (sample, metric) in enumerate(best.pairs(), start=1):
        edges = _cell_edges(sample)
        if edges:
            draw_cell(folder / f'cell-{rank}.png', edges,
                      title=f'{rank}: stand-alone metric {metric:.4g}')


def _picture(sample: Sample) -> str:
    """Return the picture of a cell as the address of an image, an empty one for other spaces."""
    edges = _cell_edges(sample)
    if not edges:
        return _NOTHING
    file = io.BytesIO()
    cell_figure(edges).savefig(file, dpi=50)
    return 'data:image/png;base64,' + base64.b64encode(file.getvalue()).decode()


def _cell_edges(sample: Sample) -> dict[tuple[int, int], str] | None:
    """Return the edges of a cell as of NAS-Bench-201, None for an architecture of another form."""
    found = {}
    for label, choice in sample.items():
        match = _EDGE.fullmatch(label)
        if match is None or match[1] >= match[2] or not isinstance(choice, str):
            return None
        found[int(match[1]), int(match[2])] = choice
    return found


def _file_name(name: str) -> str:
    return re.sub(r'[^\w.-]+', '-', name)
