"""Pictures and tables of results. Plain data in, files and text out.

Pictures are drawn without pyplot, so they need no display and leave its state alone. Colours are
those of Okabe and Ito, "Color Universal Design", 2008, which colour-blind people can tell apart.
"""

from __future__ import annotations

import math
import re
import textwrap
from itertools import cycle
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, FancyArrowPatch
from matplotlib.ticker import MaxNLocator
from scipy import stats

from .metric import kendall_tau

__all__ = ['rank_scatter', 'tau_per_epoch', 'draw_cell', 'best_table', 'markdown_table']

_COLOURS = ('#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#000000')
_MARKERS = 'osD^vPX'
_INK, _GREY, _FAINT = '#222222', '#8c8c8c', '#dddddd'

_SPACING, _RADIUS = 2.2, 0.25
_BENDS = {(0, 2): -0.38, (1, 3): 0.38, (0, 3): -0.54}  # negative: above the nodes
_OPERATION_COLOURS = {
    'conv_3x3': '#0072B2', 'conv_1x1': '#56B4E9', 'avg_pool_3x3': '#009E73',
    'skip_connect': '#E69F00',
}


def rank_scatter(
    path: str | Path, scores: Mapping[str, npt.ArrayLike], targets: npt.ArrayLike, *,
    xlabel: str = 'stand-alone metric', ylabel: str = 'rank by super-net score (1 = worst)',
    intervals: Mapping[str, tuple[float, float, float]] | None = None,
) -> None:
    """Draw the rank of the scores over the true metric, a panel for each arm.

    A grey line shows where a perfect ranking would put the points; ties share their mean rank.

    Parameters
    ----------
    path
        File to write: ``.png``, ``.pdf`` or ``.svg``; its folder is made if need be.
    scores
        Predictions of each arm (``'spos'``, ``'spos+landmark'``), shape (N,), higher is better.
    targets
        True metric, shape (N,), higher is better; its ranks where most values are close.
    xlabel, ylabel
        What is on the axes, with the unit.
    intervals
        Kendall's tau of an arm with the ends of its interval, from `bootstrap_interval` or over
        seeds. Without it, the title tells the tau-b of the points; with it, that one is added
        where it differs.

    Raises
    ------
    ValueError
        If the lengths differ, an interval belongs to no arm, or for the reasons of `kendall_tau`.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     rank_scatter(f'{folder}/rank.png', {'spos': [.1, .3, .2]}, [90., 92., 94.])
    """
    _save(_rank_figure(scores, targets, xlabel, ylabel, intervals or {}), path)


def _rank_figure(scores: Mapping[str, npt.ArrayLike], targets: npt.ArrayLike, xlabel: str,
                 ylabel: str, intervals: Mapping[str, tuple[float, float, float]]) -> Figure:
    _check_arms(scores)
    unknown = set(intervals) - set(scores)
    if unknown:
        raise ValueError(f'Expected intervals of the arms {list(scores)}, got {sorted(unknown)}.')
    truth = np.asarray(targets, dtype=float)
    rows = -(-len(scores) // 4)
    columns = -(-len(scores) // rows)
    figure = Figure((3.6 * columns + 0.6, 3.5 * rows + 0.8), 150, layout='constrained')
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flatten()
    for ax, (arm, values), colour in zip(axes, scores.items(), cycle(_COLOURS)):
        predicted = np.asarray(values, dtype=float)
        if predicted.shape != truth.shape:
            raise ValueError(f'Expected a score of {arm!r} for each of the targets, shape '
                             f'{truth.shape}, got shape {predicted.shape}.')
        ax.set_title(_rank_title(arm, kendall_tau(predicted, truth), intervals.get(arm)),
                     fontsize=10, color=_INK, parse_math=False)
        ax.plot(np.sort(truth), np.sort(stats.rankdata(truth)), color=_GREY, linewidth=1.2)
        ax.scatter(truth, stats.rankdata(predicted), s=np.clip(5000 / len(truth), 4, 36),
                   color=colour, alpha=0.65, edgecolor='white', linewidth=0.4, zorder=3)
        ax.tick_params(labelbottom=True)
        ax.yaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]))
        _tidy(ax)
    for ax in axes[len(scores):]:
        ax.remove()
    figure.supxlabel(xlabel, fontsize=10, color=_INK)
    figure.supylabel(ylabel, fontsize=10, color=_INK)
    figure.legend([Line2D([], [], color=_GREY)], ['perfect ranking'], loc='outside upper right',
                  frameon=False, fontsize=9)
    return figure


def _rank_title(arm: str, tau: float, interval: tuple[float, float, float] | None) -> str:
    if interval is None:
        return f'{arm}\nKendall τ ' + ('undefined' if math.isnan(tau) else f'= {tau:.3f}')
    if len(interval) != 3 or interval[1] > interval[2]:
        raise ValueError(f'Expected (tau, low, high) of {arm!r} with low <= high, got {interval}.')
    stated, low, high = interval
    differs = f'; points: {tau:.3f}' if f'{stated:.3f}' != f'{tau:.3f}' else ''
    return f'{arm}\nKendall τ = {stated:.3f} [{low:.3f}, {high:.3f}]{differs}'


def tau_per_epoch(
    path: str | Path, histories: Mapping[str, Sequence[Mapping[str, float]]], *,
    boundaries: Sequence[float] = (), active: Sequence[tuple[float, float]] = (),
    metric: str = 'kendall_tau', ylabel: str = 'Kendall τ',
) -> None:
    """Draw the rank correlation of super-nets over the epochs, a line for each arm.

    Parameters
    ----------
    path
        File to write: ``.png``, ``.pdf`` or ``.svg``; its folder is made if need be.
    histories
        Metrics of each epoch of an arm: dicts with ``epoch`` and `metric`. In a history that
        joins several iterations the epochs continue. NaN leaves a gap.
    boundaries
        Epochs at which an iteration begins, marked by dashed lines.
    active
        Spans of epochs (first, last) in which ranking is active, shaded.
    metric, ylabel
        Which metric, and its name in the picture.

    Raises
    ------
    ValueError
        If a history is empty, lacks an entry, or its epochs do not increase.

    Examples
    --------
    >>> import tempfile
    >>> history = [{'epoch': 0, 'kendall_tau': 0.2}, {'epoch': 1, 'kendall_tau': 0.5}]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tau_per_epoch(f'{folder}/tau.png', {'spos': history}, boundaries=[0.5])
    """
    _save(_tau_figure(histories, boundaries, active, metric, ylabel), path)


def _tau_figure(histories: Mapping[str, Sequence[Mapping[str, float]]],
                boundaries: Sequence[float], active: Sequence[tuple[float, float]],
                metric: str, ylabel: str) -> Figure:
    _check_arms(histories)
    figure = Figure((8, 4), 150, layout='constrained')
    ax = figure.subplots()
    styles = zip(cycle(_COLOURS), cycle(_MARKERS))
    handles: dict[str, Artist] = {}
    for (arm, history), (colour, marker) in zip(histories.items(), styles):
        epochs, taus = _series(arm, history, metric)
        handles[arm], = ax.plot(epochs, taus, color=colour, marker=marker, linewidth=1.8,
                                markersize=4.5, markeredgecolor='white', markeredgewidth=0.5,
                                markevery=max(1, len(epochs) // 15), zorder=3)
    for first, last in active:
        handles['ranking active'] = ax.axvspan(first, last, color='#f3efe2', linewidth=0, zorder=0)
    for boundary in boundaries:
        handles['new iteration'] = ax.axvline(boundary, color=_GREY, linewidth=0.9,
                                              linestyle=(0, (5, 4)), zorder=1)
    ax.set_xlabel('epoch', fontsize=10, color=_INK)
    ax.set_ylabel(ylabel, fontsize=10, color=_INK)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    _tidy(ax)
    figure.legend(list(handles.values()), list(handles), loc='outside right upper', frameon=False,
                  fontsize=9.5)
    return figure


def _series(arm: str, history: Sequence[Mapping[str, float]],
            metric: str) -> tuple[list[float], list[float]]:
    if not history:
        raise ValueError(f'Expected at least one epoch of {arm!r}, got none; leave out the arm.')
    for entry in history:
        if not {'epoch', metric} <= set(entry):
            raise ValueError(f"Expected 'epoch' and {metric!r} in the history of {arm!r}, "
                             f'got {sorted(entry)}.')
    epochs = [float(entry['epoch']) for entry in history]
    for before, after in zip(epochs, epochs[1:]):
        if after <= before:
            raise ValueError(f'Expected increasing epochs of {arm!r}, got {after:g} after '
                             f'{before:g}; let the epochs of later iterations continue.')
    return epochs, [float(entry[metric]) for entry in history]


def draw_cell(path: str | Path, edges: Mapping[tuple[int, int], str], *, title: str = '') -> None:
    """Draw a cell of four nodes, such as those of NAS-Bench-201, with an operation on each edge.

    Parameters
    ----------
    path
        File to write: ``.png``, ``.pdf`` or ``.svg``; its folder is made if need be.
    edges
        (source, target) -> operation, 0 <= source < target <= 3. ``'none'`` is a dotted line.
    title
        Shown above the cell.

    Raises
    ------
    ValueError
        If an edge does not lead forwards from one of the nodes 0..3 to another.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     draw_cell(f'{folder}/cell.png', {(0, 1): 'conv_3x3', (1, 3): 'skip_connect'})
    """
    _save(_cell_figure(edges, title), path)


def _cell_figure(edges: Mapping[tuple[int, int], str], title: str) -> Figure:
    for edge in edges:
        if edge not in _BENDS and edge not in ((0, 1), (1, 2), (2, 3)):
            raise ValueError('Expected edges (source, target) with 0 <= source < target <= 3, '
                             f'got {edge}.')
    figure = Figure((7.6, 3.9), 150, layout='constrained')
    ax = figure.subplots()
    nodes = [Circle((_SPACING * node, 0), _RADIUS, facecolor='white', edgecolor=_INK,
                    linewidth=1.4, zorder=3) for node in range(4)]
    for node, circle in enumerate(nodes):
        ax.add_patch(circle)
        ax.text(_SPACING * node, 0, str(node), ha='center', va='center', color=_INK, zorder=4)
    for node, offset, name, side in ((0, -0.4, 'input', 'right'), (3, 0.4, 'output', 'left')):
        ax.text(_SPACING * node + offset, 0, name, ha=side, va='center', fontsize=9, color=_GREY)
    colours = _operation_colours(edges.values())
    for edge in sorted(edges):
        _draw_edge(ax, nodes, edge, edges[edge], colours[edges[edge]])
    ax.set(xlim=(-1.1, 3 * _SPACING + 1.1), ylim=(-1.2, 2.15), aspect='equal')
    ax.set_axis_off()
    ax.set_title(title, fontsize=11, color=_INK, parse_math=False)
    handles = [Line2D([], [], color=colour, linewidth=2, linestyle=':' if name == 'none' else '-')
               for name, colour in colours.items()]
    figure.legend(handles, [_label(name) for name in colours], loc='outside lower center',
                  ncols=5, frameon=False, fontsize=9)
    return figure


def _operation_colours(operations: Iterable[str]) -> dict[str, str]:
    known = {**_OPERATION_COLOURS, 'none': '#bbbbbb'}
    names = sorted(set(operations), key=lambda name: (name == 'none', name))
    others = cycle(colour for colour in _COLOURS if colour not in known.values())
    return {name: known.get(name.removeprefix('nor_')) or next(others) for name in names}


def _label(operation: str) -> str:
    return re.sub(r'(\d)x(\d)', r'\1×\2', operation.removeprefix('nor_').replace('_', ' '))


def _draw_edge(ax: Axes, nodes: Sequence[Circle], edge: tuple[int, int], operation: str,
               colour: str) -> None:
    source, target = edge
    bend = _BENDS.get(edge, 0.)
    none = operation == 'none'
    ax.add_patch(FancyArrowPatch(
        nodes[source].center, nodes[target].center, patchA=nodes[source], patchB=nodes[target],
        connectionstyle=f'arc3,rad={bend}', arrowstyle='-' if none else '-|>', color=colour,
        linewidth=1.3 if none else 2.2, linestyle=':' if none else '-', mutation_scale=14,
        shrinkA=0, shrinkB=0))
    if not none:
        middle = _SPACING * (source + target) / 2
        height = -bend * _SPACING * (target - source) / 2
        ax.text(middle, height, textwrap.fill(_label(operation), 14, max_lines=3), fontsize=9,
                color=_INK, ha='center', va='center', zorder=5, parse_math=False,
                bbox=dict(boxstyle='round,pad=0.3', facecolor='white', edgecolor=colour))


def best_table(rows: Sequence[Mapping[str, Any]], *, digits: int = 4) -> str:
    """Return a table of the best architectures, a column for each key that occurs.

    Parameters
    ----------
    rows
        What is known of each architecture, best first; a missing entry leaves its cell empty.
    digits
        Decimals of fractions.

    Raises
    ------
    ValueError
        If there is no row or no key.

    Examples
    --------
    >>> print(best_table([{'arch': 'a', 'accuracy': 0.91}, {'arch': 'b', 'accuracy': 0.9}]))
    | arch | accuracy |
    | :--- | -------: |
    | a    |   0.9100 |
    | b    |   0.9000 |
    """
    if not rows:
        raise ValueError('Expected at least one row, got none.')
    header = list(dict.fromkeys(key for row in rows for key in row))
    return markdown_table(header, [[row.get(key) for key in header] for row in rows],
                          digits=digits)


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[Any]], *,
                   digits: int = 4) -> str:
    r"""Return a table that is aligned in a terminal and valid Markdown (GitHub's).

    Characters that mean something to Markdown get a backslash, such as the bars and tildes of a
    NAS-Bench-201 string; line breaks become spaces.

    Parameters
    ----------
    header
        Names of the columns.
    rows
        Cells of each row, as many as columns. Columns of numbers are aligned to the right; None
        is an empty cell.
    digits
        Decimals of fractions.

    Raises
    ------
    ValueError
        If there is no column, or a row has not as many cells as there are columns.

    Examples
    --------
    >>> print(markdown_table(['cell', 'rank'], [['|none~0|', 7], ['x', 12]]))
    | cell        | rank |
    | :---------- | ---: |
    | \|none\~0\| |    7 |
    | x           |   12 |
    """
    if not header:
        raise ValueError('Expected at least one column, got none.')
    for number, row in enumerate(rows):
        if len(row) != len(header):
            raise ValueError(f'Expected {len(header)} cells in row {number}, got {len(row)}.')
    columns = []
    for name, *cells in zip(header, *rows):
        numeric = bool(cells) and all(cell is None or _is_number(cell) for cell in cells)
        texts = [_cell_text(cell, digits) for cell in (name, *cells)]
        width = max(3, *map(len, texts))
        rule = '-' * (width - 1) + ':' if numeric else ':' + '-' * (width - 1)
        texts.insert(1, rule)
        columns.append([text.rjust(width) if numeric else text.ljust(width) for text in texts])
    return '\n'.join(f'| {" | ".join(line)} |' for line in zip(*columns))


def _is_number(cell: Any) -> bool:
    return isinstance(cell, Real) and not isinstance(cell, bool)


def _cell_text(cell: Any, digits: int) -> str:
    if cell is None:
        return ''
    if _is_number(cell) and not isinstance(cell, Integral):
        return f'{float(cell):.{digits}f}'
    return re.sub(r'([\\|~*`<])', r'\\\1', ' '.join(str(cell).splitlines()))


def _check_arms(arms: Mapping[str, Any]) -> None:
    if not arms:
        raise ValueError('Expected at least one arm, got none.')


def _tidy(ax: Axes) -> None:
    ax.grid(color=_FAINT, linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[['top', 'right']].set_visible(False)
    ax.spines[['left', 'bottom']].set_color(_GREY)
    ax.tick_params(color=_GREY, labelcolor=_INK, labelsize=9)


def _save(figure: Figure, path: str | Path) -> None:
    path = Path(path)
    if path.suffix not in ('.png', '.pdf', '.svg'):
        raise ValueError(f'Expected a file name that ends in .png, .pdf or .svg, got {path.name}.')
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
