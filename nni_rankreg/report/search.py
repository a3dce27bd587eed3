"""The report of a search, running or finished: pictures, and one page to work with."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from bokeh.models import CustomJS, LayoutDOM

from .._util.csv import parse_samples
from .._util.path import user_path
from ..archive import Archive
from ..archive.archive import COST_COLUMN
from ..predictor import read_reliability, reliability_rounds
from ..typing import Results, Sample
from .cell import cell_figure, draw_cell
from .page import search_page
from .plots import (
    architecture_table,
    epochs_plot,
    front_plot,
    packed_rows,
    ranks_plot,
    reliability_plot,
    trainings_plot,
    unpacking,
)
from .ranking import rank_scatter, tau_per_epoch

__all__ = ['report_search', 'supernet_outcomes']

_EDGE = re.compile(r'.*/([0-2])_([1-3])')
_TAUS = ('kendall_tau', 'kendall_tau_landmarks')
_CHOICE = 'choice '  # begins the name of a column
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
    architectures, ready = _architectures(archive, mode)
    page = search_page(archive.path.name, state, {
        **architectures, 'Super-nets': _supernets(outcomes, mode),
        'Predictions and what trainings showed': _predictions(archive)}, ready)
    (folder / 'index.html').write_text(page, encoding='utf-8')
    return f'{len(archive)} architectures, {len(outcomes)} super-nets'


def _architectures(archive: Archive, mode: str
                   ) -> tuple[dict[str, list[LayoutDOM]], list[CustomJS]]:
    """Return the sections of all architectures, and what the page does when it is open.

    What is selected in one plot is selected in all, and in the table.
    """
    frame, choices = _trained(archive, mode)
    if frame.empty:
        return {'Trainings': []}, []
    rows, texts = packed_rows(frame, {f'{_CHOICE}{label}': one for label, one in choices.items()})
    costs = [name for name in map(str, frame) if name.startswith(COST_COLUMN)]
    table = architecture_table(rows, ['rank', 'metric', 'training', *costs], list(texts))
    return {'Trainings': [trainings_plot(rows, mode),
                          *(front_plot(rows, cost, mode) for cost in costs)],
            'Architectures': [table]}, [unpacking(rows, texts, table)]


def _trained(archive: Archive, mode: str) -> tuple[pd.DataFrame, dict[str, list[str]]]:
    """Return a row for each architecture, the best first, and label -> choices as texts.

    Repeats are averaged.
    """
    every = archive.to_frame()
    kept = {name: 'mean' for name in map(str, every)
            if name == 'metric' or name.startswith(COST_COLUMN)}
    frame = every.groupby('sample', sort=False).agg(kept).reset_index()
    frame.insert(0, 'training', range(1, len(frame) + 1))
    frame['rank'] = frame['metric'].rank(ascending=mode == 'min', method='min').astype(int)
    frame = frame.sort_values('rank', kind='stable')
    samples = parse_samples(frame.pop('sample'))
    frame['picture'] = [_picture(sample) if row < _PICTURES else ''
                        for row, sample in enumerate(samples)]
    labels = dict.fromkeys(label for sample in samples for label in sample)
    return frame, {label: [str(sample.get(label, '')) for sample in samples] for label in labels}


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
    """Return the picture of a cell as the address of an image, '' for other spaces."""
    edges = _cell_edges(sample)
    if not edges:
        return ''
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
