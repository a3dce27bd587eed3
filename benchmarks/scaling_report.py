"""Text and pictures of what `scaling.py` has measured; nothing is measured here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from stored import read

from nni_rankreg.report import markdown_table
from nni_rankreg.report.style import COLOURS, GREY, INK, MARKERS, save, tidy

Row = dict[str, Any]
Found = dict[str, Any]

FILE = 'scaling.json'
MEASURES = {'seconds': 'time', 'activations': 'activations', 'process': 'process'}
QUERIES = {'add': 'add one', 'look-up': 'look up one', 'count': 'count', 'best': 'best ten',
           'open': 'open', 'read': 'read all'}


def report(file: Path) -> str:
    """Return the results in a file, as Markdown."""
    found = read(file)
    return '\n\n'.join([describe_steps('landmarks, 1 pair', 'landmarks', found['landmarks']),
                        describe_steps('pairs of 100 landmarks', 'pairs', found['pairs']),
                        describe_spaces(found['spaces']), describe_processes(found['processes']),
                        describe_archives(found['archives'])])


def ratio(values: Sequence[float], bases: Sequence[float]) -> float:
    """Return the median of the ratios of runs that took turns."""
    return median(value / base for value, base in zip(values, bases))


def step_ratios(rows: Sequence[Row], measure: str) -> list[float]:
    """Return the ratio of each row to the first, plain SPOS."""
    values = [row[measure] if isinstance(row[measure], list) else [row[measure]] for row in rows]
    return [ratio(one, values[0]) for one in values]


def describe_steps(title: str, key: str, rows: Sequence[Row]) -> str:
    """Return what steps cost, as ratio to plain SPOS."""
    ratios = zip(*(step_ratios(rows, measure) for measure in MEASURES))
    return markdown_table(
        [title, 'ms', 'time', 'activations', 'MB of activations', 'process', 'MB of process'],
        [[row[key] or 'plain SPOS', f'{1e3 * median(row["seconds"]):.1f}', f'{time:.2f}',
          f'{kept:.2f}', f'{row["activations"] / 1e6:.1f}', f'{process:.2f}',
          f'{row["process"] / 1e6:.0f}']
         for row, (time, kept, process) in zip(rows, ratios)])


def describe_spaces(rows: Sequence[Row]) -> str:
    """Return what super-nets cost, as ratio to their architectures alone."""
    return markdown_table(
        ['space', 'labels', 'choices', 'architectures', 'million parameters', 'alone, ms',
         'super-net, ms', 'ratio', 'switch, ms', 'of the step'],
        [[row['space'], row['labels'], row['choices'], f'10^{row["log10"]:.1f}',
          f'{row["parameters"] / 1e6:.2f}', f'{1e3 * median(row["alone"]):.1f}',
          f'{1e3 * median(row["supernet"]):.1f}', f'{ratio(row["supernet"], row["alone"]):.2f}',
          f'{1e3 * row["switch"]:.4f}', f'{100 * row["switch"] / median(row["supernet"]):.2f} %']
         for row in rows])


def describe_processes(rows: Sequence[Row]) -> str:
    """Return images per second of one and two processes, and the efficiency of two."""
    return markdown_table(
        ['two processes by DDP', 'one, images/s', 'two, images/s', 'efficiency'],
        [[row['arm'], f'{row["batch"] / median(row["alone"]):.0f}',
          f'{2 * row["batch"] / median(row["both"]):.0f}',
          f'{ratio(row["alone"], row["both"]):.2f}'] for row in rows])


def describe_archives(rows: Sequence[Row]) -> str:
    """Return what archives cost, in milliseconds but for the first columns."""
    return markdown_table(
        ['results', 'add all, s', 'µs each', 'MB', *(f'{name}, ms' for name in QUERIES.values()),
         'MB of all, read'],
        [[f'{row["stored"]:,}', f'{row["insert"]:.2f}',
          f'{1e6 * row["insert"] / row["stored"]:.0f}', f'{row["bytes"] / 1e6:.1f}',
          *(f'{1e3 * row[name]:.2f}' for name in QUERIES), f'{row["process"] / 1e6:.0f}']
         for row in rows])


def draw(results: Path, folder: Path) -> None:
    """Draw the pictures of the file in the folder of results."""
    found = read(results / FILE)
    save(step_figure(found), folder / 'scaling_steps.png')
    save(space_figure(found['spaces']), folder / 'scaling_spaces.png')
    save(archive_figure(found['archives']), folder / 'scaling_archive.png')


def step_figure(found: Found) -> Figure:
    figure = Figure((8.4, 3.6), 150, layout='constrained')
    axes = figure.subplots(1, 2)
    for ax, (key, label) in zip(axes, (('landmarks', 'landmarks, 1 pair in a step'),
                                       ('pairs', 'pairs in a step, 100 landmarks'))):
        rows = found[key]
        for number, (measure, name) in enumerate(MEASURES.items()):
            line(ax, number, [row[key] for row in rows[1:]], step_ratios(rows, measure)[1:], name)
        ax.axhline(1, color=GREY, linewidth=1.2)
        if key == 'landmarks':
            ax.set_xscale('log')
        finish(ax, label, 'ratio to plain SPOS')
        ax.set_ylim(0)
    return with_legend(figure, axes[0])


def space_figure(rows: Sequence[Row]) -> Figure:
    figure = Figure((8.4, 3.6), 150, layout='constrained')
    axes = figure.subplots(1, 2)
    for number, kind in enumerate(dict.fromkeys(row['kind'] for row in rows)):
        chosen = sorted((row for row in rows if row['kind'] == kind), key=lambda row: row['log10'])
        name = {'nodes': 'cells of 2 to 8 nodes', 'operations': 'cells of 2 to 13 operations',
                'space': 'other spaces'}[kind]
        sizes = [row['log10'] for row in chosen]
        joined = kind != 'space'
        line(axes[0], number, sizes, [ratio(row['supernet'], row['alone']) for row in chosen],
             name, joined)
        line(axes[1], number, sizes, [100 * row['switch'] / median(row['supernet'])
                                      for row in chosen], name, joined)
    axes[0].axhline(1, color=GREY, linewidth=1.2)
    finish(axes[0], 'log10 of the number of architectures', 'step, ratio to it alone')
    finish(axes[1], 'log10 of the number of architectures', 'switch, % of a step')
    for ax in axes:
        ax.set_ylim(0)
    return with_legend(figure, axes[0])


def archive_figure(rows: Sequence[Row]) -> Figure:
    figure = Figure((6.4, 4), 150, layout='constrained')
    ax = figure.subplots()
    sizes = [row['stored'] for row in rows]
    line(ax, 6, sizes, [row['insert'] for row in rows], 'add all')
    for number, (key, name) in enumerate(QUERIES.items()):
        line(ax, number, sizes, [row[key] for row in rows], name)
    ax.set_xscale('log')
    ax.set_yscale('log')
    finish(ax, 'results in the archive', 'seconds')
    return with_legend(figure, ax)


def line(ax: Axes, number: int, xs: Sequence[float], ys: Sequence[float], name: str,
         joined: bool = True) -> None:
    ax.plot(xs, ys, color=COLOURS[number], marker=MARKERS[number], label=name, markersize=5,
            linewidth=1.6 if joined else 0, zorder=3)


def finish(ax: Axes, xlabel: str, ylabel: str) -> None:
    ax.set_xlabel(xlabel, fontsize=10, color=INK)
    ax.set_ylabel(ylabel, fontsize=10, color=INK)
    tidy(ax)


def with_legend(figure: Figure, ax: Axes) -> Figure:
    figure.legend(*ax.get_legend_handles_labels(), loc='outside right upper', frameon=False,
                  fontsize=9)
    return figure
