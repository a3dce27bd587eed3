"""One HTML page of a search, which holds all that it shows and loads nothing."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from bokeh.document import Document
from bokeh.embed import components
from bokeh.events import DocumentReady
from bokeh.models import CustomJS, LayoutDOM
from bokeh.resources import Resources

__all__ = ['search_page']

_STYLE = """
body { font: 15px/1.5 sans-serif; color: #222; max-width: 1260px; margin: 2em auto; padding: 0 1em }
table { border-collapse: collapse } td, th { padding: .2em .8em; text-align: left }
th { border-bottom: 2px solid #888 } td { border-bottom: 1px solid #ddd }
h2 { margin-top: 1.5em } .row { display: flex; flex-wrap: wrap; gap: 1em; align-items: start }
"""
_USED = ['bokeh', 'bokeh-widgets', 'bokeh-tables']


def search_page(title: str, state: str, sections: Mapping[str, Sequence[LayoutDOM | pd.DataFrame]],
                ready: Sequence[CustomJS] = ()) -> str:
    """Return the page as a text.

    Parameters
    ----------
    title
        Of the page.
    state
        What has been done and what is left, in words.
    sections
        Heading -> plots, and tables of numbers; one without anything says so.
    ready
        What the page does when it is open.
    """
    plots = [one for parts in sections.values() for one in parts if isinstance(one, LayoutDOM)]
    document = Document()
    for plot in plots:
        document.add_root(plot)
    document.js_on_event(DocumentReady, *ready)
    script, places = components(plots) if plots else ('', [])
    place = iter(places)
    body = ''.join(f'<h2>{html.escape(heading)}</h2>{_section(parts, place)}'
                   for heading, parts in sections.items())
    library = Resources(mode='inline', components=_USED).render() if plots else ''
    return (f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
            f'<title>{html.escape(title)}</title><style>{_STYLE}</style>{library}</head><body>'
            f'<h1>{html.escape(title)}</h1><p>{html.escape(state)}</p>{body}{script}</body></html>')


def _section(parts: Sequence[Any], place: Any) -> str:
    if not parts:
        return '<p>None yet.</p>'
    shown = [next(place) if isinstance(one, LayoutDOM) else
             one.to_html(index=False, border=0, na_rep='', float_format='{:.4g}'.format)
             for one in parts]
    return f'<div class="row">{"".join(shown)}</div>'
