"""The report of a search, running or finished: pictures, and one page that holds them all."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ..archive import Archive
from ..report.cell import draw_cell
from ..report.ranking import rank_scatter, tau_per_epoch
from ..typing import Sample

__all__ = ['report']

Best = Sequence[tuple[Sample, float]]
"""Architectures with their metrics, best first."""

_STYLE = """
body { font: 15px/1.5 sans-serif; color: #222; max-width: 60em; margin: 2em auto; padding: 0 1em }
table { border-collapse: collapse } td, th { padding: .2em .8em; text-align: left }
th { border-bottom: 2px solid #888 } td { border-bottom: 1px solid #ddd }
img { max-width: 100% } code { font-size: 13px } h2 { margin-top: 2em }
"""
_EDGE = re.compile(r'.*/([0-2])_([1-3])')
_TAUS = ('kendall_tau', 'kendall_tau_landmarks')


def report(archive: Path, out: Path | None = None, top: int = 5) -> None:
    """Draw the cells and the rankings of a search from its archive, also while it runs.

    Parameters
    ----------
    archive
        file of the results
    out
        folder of the pictures and of the page index.html; by default beside the archive
    top
        number of best architectures to show
    """
    if not archive.is_file():
        raise ValueError(f'Expected the archive of a search, got {archive}, which is no file.')
    if top < 1:
        raise ValueError(f'Expected top of at least 1, got {top}.')
    source = Archive(archive)
    folder = archive.with_name(f'{archive.stem}-report') if out is None else out
    folder.mkdir(parents=True, exist_ok=True)
    best, outcomes, mode = list(source.best(top).pairs()), supernet_outcomes(source), source.mode
    pictures = [*_draw_rankings(folder, outcomes, mode or 'max'), *_draw_cells(folder, best)]
    page = _page(archive.name, source.jobs(), len(source), best, outcomes, pictures)
    (folder / 'index.html').write_text(page, encoding='utf-8')
    print(f'{len(source)} architectures, {len(outcomes)} super-nets: '
          f'{folder / "index.html"}')


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


def _draw_cells(folder: Path, best: Best) -> list[Path]:
    pictures = []
    for rank, (sample, metric) in enumerate(best, start=1):
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


def _page(name: str, jobs: pd.DataFrame, trained: int, best: Best,
          outcomes: Mapping[str, Mapping[str, Any]], pictures: Sequence[Path]) -> str:
    pending = int((jobs['status'] == 'pending').sum())
    state = f'{pending} jobs are pending: the search runs, or was interrupted.' if pending else (
        'No job is pending.')
    table = pd.DataFrame([[rank, f'{metric:.5g}', *sample.values()]
                          for rank, (sample, metric) in enumerate(best, start=1)])
    if best:
        table.columns = pd.Index(['rank', 'metric', *best[0][0]])
    last = pd.DataFrame([{'super-net': key, **outcome['metrics']}
                         for key, outcome in outcomes.items()])
    images = ''.join(f'<h2>{html.escape(path.stem)}</h2><img alt="{html.escape(path.stem)}" '
                     f'src="data:image/png;base64,{_encoded(path)}">' for path in pictures)
    return (f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
            f'<title>{html.escape(name)}</title><style>{_STYLE}</style></head><body>'
            f'<h1>{html.escape(name)}</h1>'
            f'<p>{trained} architectures trained stand-alone, {len(outcomes)} '
            f'super-nets. {state}</p>'
            f'<h2>Best architectures</h2>{_table(table)}'
            f'<h2>Super-nets, last epoch</h2>{_table(last)}{images}</body></html>')


def _table(frame: pd.DataFrame) -> str:
    if frame.empty:
        return '<p>None yet.</p>'
    return frame.to_html(index=False, border=0, na_rep='', float_format='{:.4g}'.format)


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def _file_name(name: str) -> str:
    return re.sub(r'[^\w.-]+', '-', name)
