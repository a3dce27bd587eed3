"""Plots of a search that one can hover over, zoom and select in; all of one page share the rows.

What is selected in one plot is selected in all, and in the table.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from bokeh.layouts import column
from bokeh.models import (
    CDSView,
    ColumnDataSource,
    CustomJS,
    CustomJSFilter,
    DataTable,
    HoverTool,
    LayoutDOM,
    NumberFormatter,
    Span,
    StringFormatter,
    TableColumn,
    TextInput,
    Whisker,
)
from bokeh.plotting import figure
from scipy.stats import rankdata

from ..metric import pareto_rank
from .style import COLOURS, GREY

__all__ = ['architecture_table', 'epochs_plot', 'front_plot', 'packed_rows', 'ranks_plot',
           'reliability_plot', 'trainings_plot', 'unpacking']

_SIZE = {'width': 620, 'height': 380}
_TOOLS = 'pan,box_zoom,wheel_zoom,box_select,tap,reset,save'
_ARCHITECTURE = """
<div style="max-width: 26em"><b>metric @metric{0.[0000]}</b>, training @training<br>
<span style="font-size: 11px">@architecture</span><br>
<img src="@picture" alt="" style="width: 22em"></div>
"""


def packed_rows(frame: pd.DataFrame, choices: Mapping[str, Sequence[str]]
                ) -> tuple[ColumnDataSource, dict[str, list[str]]]:
    """Return the rows that all plots share, and the different texts of their choices.

    Each choice is the number of its text, so that a page of thousands of rows is small; `unpacking`
    makes texts of them.

    Parameters
    ----------
    frame
        A row for each of N architectures.
    choices
        Further columns, N texts each; an empty one is no choice.
    """
    columns, texts = {str(name): frame[name].to_numpy() for name in frame}, {}
    for name, chosen in choices.items():
        codes, different = pd.factorize(np.asarray(chosen, object))
        columns[name] = codes.astype(np.min_scalar_type(len(different)))
        texts[name] = list(different)
    return ColumnDataSource(columns), texts


def unpacking(rows: ColumnDataSource, texts: Mapping[str, Sequence[str]], shown: LayoutDOM
              ) -> CustomJS:
    """Return what gives the rows their texts in the browser, and a column ``architecture``.

    Parameters
    ----------
    rows, texts
        As of `packed_rows`.
    shown
        Has the table, which is drawn again.
    """
    return CustomJS(args={'rows': rows, 'texts': list(texts.items()),
                          'table': shown.select_one({'type': DataTable})}, code="""
        const data = {...rows.data};
        const parts = Array.from({length: rows.get_length()}, () => []);
        for (const [name, different] of texts) {
            const label = name.slice(name.indexOf(' ') + 1);
            data[name] = Array.from(rows.data[name], (code) => different[code]);
            data[name].forEach((text, row) => { if (text) parts[row].push(`${label} ${text}`) });
        }
        data.architecture = parts.map((one) => one.join(', '));
        rows.data = data;
        table.change.emit();
    """)


def trainings_plot(rows: ColumnDataSource, mode: str) -> figure:
    """Return the metric of each training in their order, and the best so far.

    Parameters
    ----------
    rows
        Of the architectures: ``training``, ``metric`` and ``picture``, as of `packed_rows`.
    mode
        ``'max'``, or ``'min'`` if lower metrics are better.
    """
    plot = _figure('training', _metric_label(mode))
    order = np.argsort(rows.data['training'])
    better = np.maximum if mode == 'max' else np.minimum
    plot.step(np.asarray(rows.data['training'])[order],
              better.accumulate(np.asarray(rows.data['metric'])[order]), mode='after',
              color=COLOURS[1], legend_label='best so far')
    _dots(plot, rows, 'training', 'metric')
    plot.legend.location = 'bottom_right' if mode == 'max' else 'top_right'
    return plot


def front_plot(rows: ColumnDataSource, cost: str, mode: str) -> figure:
    """Return metric against a cost, and the front: architectures that no other beats in both.

    Parameters
    ----------
    rows
        As of `trainings_plot`, with a column of the cost; architectures without one are left out.
    cost
        Name of the column; lower is better.
    mode
        ``'max'``, or ``'min'`` if lower metrics are better.
    """
    plot = _figure(cost, _metric_label(mode))
    costs, metrics = np.asarray(rows.data[cost]), np.asarray(rows.data['metric'])
    known = np.flatnonzero(np.isfinite(costs))
    sign = -1 if mode == 'max' else 1
    ranks = pareto_rank(np.stack([costs[known], sign * metrics[known]], axis=1))
    front = sorted(known[ranks == 0], key=lambda row: costs[row])
    plot.step(costs[front], metrics[front], mode='after', color=COLOURS[1], legend_label='front')
    _dots(plot, rows, cost, 'metric')
    plot.legend.location = 'bottom_right' if mode == 'max' else 'top_right'
    return plot


def ranks_plot(name: str, scores: Sequence[float], metrics: Sequence[float], mode: str) -> figure:
    """Return the rank by a super-net's scores over the rank by the true metric.

    Parameters
    ----------
    name
        Of the super-net.
    scores, metrics
        Of N architectures, shape (N,); higher scores are better.
    mode
        Of the metrics.
    """
    plot = _figure('rank by metric (1 = worst)', f'rank by {name} (1 = worst)')
    sign = 1 if mode == 'max' else -1
    plot.line([1, len(scores)], [1, len(scores)], color=GREY)
    plot.scatter(rankdata(sign * np.asarray(metrics)), rankdata(scores), color=COLOURS[0], size=6,
                 alpha=0.7)
    plot.add_tools(HoverTool(tooltips=[('rank by metric', '$x{0}'), ('by score', '$y{0}')]))
    return plot


def reliability_plot(rounds: pd.DataFrame) -> figure:
    """Return the prospective rank correlation of each source after each round, with intervals.

    Parameters
    ----------
    rounds
        As of `reliability_rounds`.
    """
    plot = _figure('random architectures trained', "Kendall's tau over the space")
    plot.add_layout(Span(location=0, dimension='width', line_color=GREY, line_width=1))
    sources = list(dict.fromkeys(rounds['source']))
    for index, (source, color) in enumerate(_coloured(sources)):
        rows = rounds[rounds['source'] == source].assign(
            shown=lambda one, index=index: one['random'] + 0.06 * (index - len(sources) / 2))
        data = ColumnDataSource(rows)
        plot.line('shown', 'tau', source=data, color=color, legend_label=source)
        plot.scatter('shown', 'tau', source=data, color=color, size=7, legend_label=source)
        plot.add_layout(Whisker(base='shown', lower='low', upper='high', source=data,
                                line_color=color, upper_head=None, lower_head=None))
    plot.add_tools(HoverTool(tooltips=[('source', '@source'), ('random', '@random'), (
        'tau', '@tau{+0.00} (@low{+0.00} .. @high{+0.00})')], renderers=list(plot.renderers)))
    _legend_beside(plot)
    return plot


def epochs_plot(histories: Mapping[str, Sequence[Mapping[str, Any]]], metric: str) -> figure:
    """Return a number over the epochs of each super-net.

    Parameters
    ----------
    histories
        Super-net -> rows with ``epoch`` and the number.
    metric
        Its name.
    """
    plot = _figure('epoch', metric)
    for (name, rows), color in zip(histories.items(), (color for _, color in _coloured(histories))):
        data = ColumnDataSource(pd.DataFrame(rows)[['epoch', metric]].assign(name=name))
        plot.line('epoch', metric, source=data, color=color, legend_label=name)
        plot.scatter('epoch', metric, source=data, color=color, size=5, legend_label=name)
    plot.add_tools(HoverTool(tooltips=[('super-net', '@name'), ('epoch', '@epoch'),
                                       (metric, f'@{{{metric}}}{{0.000}}')]))
    _legend_beside(plot)
    return plot


def architecture_table(rows: ColumnDataSource, numbers: Sequence[str], texts: Sequence[str]
                       ) -> LayoutDOM:
    """Return a table that a click on a heading sorts, below a field that filters it.

    Parameters
    ----------
    rows
        Of the architectures.
    numbers, texts
        Columns to show.
    """
    words = TextInput(placeholder='Show rows with all of these words', width=420)
    chosen = CustomJSFilter(args={'words': words, 'columns': [*numbers, *texts]}, code="""
        const wanted = words.value.toLowerCase().split(/\\s+/).filter((word) => word);
        const text = (row) => columns.map((name) => source.data[name][row]).join(' ').toLowerCase();
        return Array.from({length: source.get_length()},
                          (_, row) => wanted.every((word) => text(row).includes(word)));
    """)
    words.js_on_change('value', CustomJS(args={'rows': rows}, code='rows.change.emit()'))
    columns = [*(TableColumn(field=name, title=html.escape(name), width=90,
                             formatter=NumberFormatter(format='0.[00000]', nan_format=''))
                 for name in numbers),
               *(TableColumn(field=name, title=html.escape(name), width=120,
                             formatter=StringFormatter()) for name in texts)]
    return column(words, DataTable(
        source=rows, columns=columns, view=CDSView(filter=chosen), index_position=None,
        width=1240, height=420, autosize_mode='none', reorderable=False))


def _figure(x: str, y: str) -> figure:
    return figure(x_axis_label=x, y_axis_label=y, tools=_TOOLS, active_scroll=None, **_SIZE)


def _metric_label(mode: str) -> str:
    return 'metric' if mode == 'max' else 'metric (lower is better)'


def _dots(plot: figure, rows: ColumnDataSource, x: str, y: str) -> None:
    dots = plot.scatter(x, y, source=rows, color=COLOURS[0], size=7, alpha=0.8,
                        nonselection_alpha=0.15)
    plot.add_tools(HoverTool(tooltips=_ARCHITECTURE, renderers=[dots], limit=1))


def _coloured(names: Iterable[str]) -> list[tuple[str, str]]:
    return [(name, COLOURS[index % len(COLOURS)]) for index, name in enumerate(names)]


def _legend_beside(plot: figure) -> None:
    """Let a click on a name of the legend hide its line."""
    if plot.legend:
        plot.add_layout(plot.legend[0], 'right')
        plot.legend.click_policy = 'hide'
        plot.width = _SIZE['width'] + 140
