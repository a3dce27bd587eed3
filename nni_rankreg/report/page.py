"""One HTML page of a search, which holds its pictures and loads nothing."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ..typing import Results

__all__ = ['search_page']

_STYLE = """
body { font: 15px/1.5 sans-serif; color: #222; max-width: 60em; margin: 2em auto; padding: 0 1em }
table { border-collapse: collapse } td, th { padding: .2em .8em; text-align: left }
th { border-bottom: 2px solid #888 } td { border-bottom: 1px solid #ddd }
img { max-width: 100% } code { font-size: 13px } h2 { margin-top: 2em }
"""


def search_page(title: str, state: str, best: Results, outcomes: Mapping[str, Mapping[str, Any]],
                reliability: pd.DataFrame, pictures: Sequence[Path]) -> str:
    """Return the page as a text.

    Parameters
    ----------
    title
        Of the page.
    state
        What has been done and what is left, in words.
    best
        Architectures, best first.
    outcomes
        Of the super-nets by name, each with its metrics.
    reliability
        What predictions were worth, a row for each source, as of `Reliability.table`.
    pictures
        Files; their names are the headings.
    """
    return (f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
            f'<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body>'
            f'<h1>{html.escape(title)}</h1><p>{html.escape(state)}</p>'
            f'<h2>Best architectures</h2>{_best(best)}'
            f'<h2>Super-nets, last epoch</h2>{_last_epochs(outcomes)}'
            f'<h2>Predictions and what trainings showed</h2>{_grid(reliability)}'
            f'{"".join(map(_picture, pictures))}</body></html>')


def _best(best: Results) -> str:
    frame = pd.DataFrame([[rank, f'{metric:.5g}', *sample.values()]
                          for rank, (sample, metric) in enumerate(best.pairs(), start=1)])
    if best.samples:
        frame.columns = pd.Index(['rank', 'metric', *best.samples[0]])
    return _grid(frame)


def _last_epochs(outcomes: Mapping[str, Mapping[str, Any]]) -> str:
    return _grid(pd.DataFrame([{'super-net': name, **outcome['metrics']}
                               for name, outcome in outcomes.items()]))


def _grid(frame: pd.DataFrame) -> str:
    if frame.empty:
        return '<p>None yet.</p>'
    return frame.to_html(index=False, border=0, na_rep='', float_format='{:.4g}'.format)


def _picture(path: Path) -> str:
    name = html.escape(path.stem)
    content = base64.b64encode(path.read_bytes()).decode()
    return f'<h2>{name}</h2><img alt="{name}" src="data:image/png;base64,{content}">'
