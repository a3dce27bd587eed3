"""The report of a search, running or finished: pictures, and one page that holds them all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .._util.path import user_path
from ..archive import Archive
from ..predictor import read_reliability
from ..typing import Results, Sample
from .cell import draw_cell
from .page import search_page
from .ranking import rank_scatter, tau_per_epoch

__all__ = ['report_search', 'supernet_outcomes']

_EDGE = re.compile(r'.*/([0-2])_([1-3])')
_TAUS = ('kendall_tau', 'kendall_tau_landmarks')


def report_search(archive: Archive, folder: Path, top: int = 5) -> str:
    """Draw the cells and the rankings of a search, and write the page ``index.html``.

    Parameters
    ----------
    archive
        Of the search.
    folder
        Of the pictures and the page; it is made if need be.
    top
        Number of best architectures to show.

    Returns
    -------
    str
        How much there is, in words.
    """
    folder = user_path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    best, outcomes = archive.best(top), supernet_outcomes(archive)
    pictures = [*_draw_rankings(folder, outcomes, archive.mode or 'max'),
                *_draw_cells(folder, best)]
    state = (f'{len(archive)} architectures trained stand-alone, {len(outcomes)} super-nets. '
             f'{_pending(archive)}')
    (folder / 'index.html').write_text(
        search_page(archive.path.name, state, best, outcomes, read_reliability(archive).table(),
                    pictures), encoding='utf-8')
    return f'{len(archive)} architectures, {len(outcomes)} super-nets'


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


def _draw_rankings(folder: Path, outcomes: Mapping[str, Mapping[str, Any]],
                   mode: str) -> list[Path]:
    """Draw the ranks by each super-net, and the rank correlation of each over its epochs."""
    pictures = []
    for name, outcome in outcomes.items():
        measured = outcome.get('measured') or {}
        if len(measured.get('scores', ())) >= 2:
            pictures.append(folder / f'rank-{_file_name(name)}.png')
            rank_scatter(pictures[-1], {name: measured['scores']}, measured['metrics'], mode=mode)
    for metric in _TAUS:
        histories = {name: [row for row in outcome.get('history', ()) if metric in row]
                     for name, outcome in outcomes.items()}
        histories = {name: rows for name, rows in histories.items() if rows}
        if histories:
            pictures.append(folder / f'{metric}.png')
            tau_per_epoch(pictures[-1], histories, metric=metric)
    return pictures


def _draw_cells(folder: Path, best: Results) -> list[Path]:
    pictures = []
    for rank, (sample, metric) in enumerate(best.pairs(), start=1):
        edges = _cell_edges(sample)
        if edges:
            pictures.append(folder / f'cell-{rank}.png')
            draw_cell(pictures[-1], edges, title=f'{rank}: stand-alone metric {metric:.4g}')
    return pictures


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
