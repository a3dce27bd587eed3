"""Picture of a cell: nodes in a row and an operation on each edge."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, FancyArrowPatch

from .style import COLOURS, GREY, INK, save

__all__ = ['cell_figure', 'draw_cell']

_SPACING, _RADIUS = 2.2, 0.25
_BENDS = {(0, 2): -0.38, (1, 3): 0.38, (0, 3): -0.54}  # negative: above the nodes
_OPERATION_COLOURS = {
    'conv_3x3': '#0072B2', 'conv_1x1': '#56B4E9', 'avg_pool_3x3': '#009E73',
    'skip_connect': '#E69F00',
}


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
    save(cell_figure(edges, title), path)


def cell_figure(edges: Mapping[tuple[int, int], str], title: str = '') -> Figure:
    """Return the picture of `draw_cell`.

    Parameters
    ----------
    edges, title
        As of `draw_cell`.
    """
    for edge in edges:
        if edge not in _BENDS and edge not in ((0, 1), (1, 2), (2, 3)):
            raise ValueError('Expected edges (source, target) with 0 <= source < target <= 3, '
                             f'got {edge}.')
    figure = Figure((7.6, 3.9), 150, layout='constrained')
    ax = figure.subplots()
    nodes = [Circle((_SPACING * node, 0), _RADIUS, facecolor='white', edgecolor=INK,
                    linewidth=1.4, zorder=3) for node in range(4)]
    for node, circle in enumerate(nodes):
        ax.add_patch(circle)
        ax.text(_SPACING * node, 0, str(node), ha='center', va='center', color=INK, zorder=4)
    for node, offset, name, side in ((0, -0.4, 'input', 'right'), (3, 0.4, 'output', 'left')):
        ax.text(_SPACING * node + offset, 0, name, ha=side, va='center', fontsize=9, color=GREY)
    colours = _operation_colours(edges.values())
    for edge in sorted(edges):
        _draw_edge(ax, nodes, edge, edges[edge], colours[edges[edge]])
    ax.set(xlim=(-1.1, 3 * _SPACING + 1.1), ylim=(-1.2, 2.15), aspect='equal')
    ax.set_axis_off()
    ax.set_title(title, fontsize=11, color=INK, parse_math=False)
    handles = [Line2D([], [], color=colour, linewidth=2, linestyle=':' if name == 'none' else '-')
               for name, colour in colours.items()]
    figure.legend(handles, [_label(name) for name in colours], loc='outside lower center',
                  ncols=5, frameon=False, fontsize=9)
    return figure


def _operation_colours(operations: Iterable[str]) -> dict[str, str]:
    known = {**_OPERATION_COLOURS, 'none': '#bbbbbb'}
    names = sorted(set(operations), key=lambda name: (name == 'none', name))
    others = cycle(colour for colour in COLOURS if colour not in known.values())
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
                color=INK, ha='center', va='center', zorder=5, parse_math=False,
                bbox=dict(boxstyle='round,pad=0.3', facecolor='white', edgecolor=colour))
