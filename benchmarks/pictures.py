"""Pictures of the pages of results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from acenas_tables import WHOLE, of_all_seeds
from forest import interval, write
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rankings import Group

from nni_rankreg.ablation.summary import MEAN_RANK
from nni_rankreg.metric import margin_of_error
from nni_rankreg.report.style import COLOURS, GREY, INK, MARKERS, tidy

METHODS = {'LambdaRank': 'AceNAS', 'greedy': 'AceNAS, greedy', 'LightGBM': 'LightGBM',
           'LightGBM, greedy': 'LightGBM, greedy', 'evolution': 'regularised evolution',
           'random': 'random search'}
RANKED = {'spos': 'plain super-net', 'spos, longer': 'plain, 2.27 times as long',
          'landmark_64, 4 pairs': 'landmarks', 'RD vote, strong': 'ranking distillation'}
SEARCHED = {'ensemble': 'all evidence (this package)', 'boosted': 'LightGBM, the same evidence',
            'process': 'Gaussian process alone', 'trees': 'ExtraTrees without a prior',
            'one-hot trees, uniform': 'trees without evidence'}
RIVALS = {'LambdaRank': 'AceNAS as published', 'evolution': 'regularised evolution',
          'random': 'random search'}
DATASETS = {'c100': 'CIFAR-100', 'c10': 'CIFAR-10'}
TABLES = {'c10': 'CIFAR-10, 15,625 cells', 'c100': 'CIFAR-100, 15,625 cells',
          'c10-half': 'CIFAR-10, smaller half', 'c100-half': 'CIFAR-100, smaller half',
          'nb101': 'NAS-Bench-101, 151,644 cells', 'darts': 'DARTS, 1,000 cells',
          'digits': 'digits, 300 cells', 'resnet48': 'ResNet48, 44,051 codes'}


def headline(path: Path, groups: Sequence[Group], loop: pd.DataFrame, frame: pd.DataFrame) -> None:
    """Draw what the package brings: how super-nets rank, and how soon searches find the best.

    Parameters
    ----------
    path
        File to write.
    groups
        Rankings; those of NAS-Bench-201 with 5 operations are drawn.
    loop
        Searches of `closed_loop` on CIFAR-10, a row each.
    frame
        Searches by others, a row each, as `acenas_tables.of_all_seeds` returns them.
    """
    figure = Figure(figsize=(11, 3.9), layout='constrained')
    ranking, searches = figure.subplots(1, 2, width_ratios=(1, 1.2))
    taus: dict[str, Sequence[float]] = {}
    for group in [group for group in groups if group.title == 'NAS-Bench-201, 5 operations']:
        taus |= {label: [run['kendall_tau'] for run in group.runs if run['arm'] == arm]
                 for arm, label in RANKED.items()}
        if group.teachers:
            taus['evidence alone, no training'] = group.teachers[MEAN_RANK]
    for place, values in enumerate(taus.values()):
        interval(ranking, place, values, COLOURS[0])
    ranking.axvline(0, color=GREY, linewidth=0.8)
    ranking.set_yticks(range(len(taus)), list(taus))
    ranking.invert_yaxis()
    ranking.set_xlabel("Kendall's tau-b with test accuracy")
    ranking.set_title('Ranking 200 architectures', fontsize=10)
    chosen = loop[loop['method'].isin(['ensemble', 'boosted'])]
    shares(searches, chosen, frame, [*SEARCHED])
    searches.set_title('Finding the best of 15,625', fontsize=10)
    searches.legend(frameon=False, fontsize=8, loc='upper center', bbox_to_anchor=(0.5, -0.16),
                    ncols=3)
    for ax in (ranking, searches):
        tidy(ax)
    write(figure, path)


def optimum(path: Path, loop: pd.DataFrame, frame: pd.DataFrame) -> None:
    """Draw the share of searches that have found the best of their table, over trainings.

    Parameters
    ----------
    path
        File to write.
    loop
        Searches of `closed_loop`, a row each, by whatever methods on whatever tables.
    frame
        Searches of `acenas_tables`, a row each; they are drawn on the tables that both have.
    """
    experiments = [*dict.fromkeys([*TABLES, *loop['experiment']])]
    experiments = [name for name in experiments if name in set(loop['experiment'])]
    methods = [*dict.fromkeys([*SEARCHED, *loop['method']])]
    lines = -(-len(experiments) // 2)
    figure = Figure(figsize=(8, 0.7 + 2.5 * lines), dpi=150, layout='constrained')
    panels = figure.subplots(lines, 2, sharex=True, sharey=True, squeeze=False).flat
    for ax, experiment in zip(panels, experiments):
        shares(ax, loop[loop['experiment'] == experiment],
               of_all_seeds(frame, WHOLE.get(experiment, experiment)), methods)
        ax.set_title(TABLES.get(experiment, experiment), fontsize=10, color=INK)
        tidy(ax)
    for ax in [*panels][len(experiments):]:
        ax.set_axis_off()
    handles = {label: line for ax in figure.axes
               for line, label in zip(*ax.get_legend_handles_labels())}
    figure.legend(list(handles.values()), list(handles), loc='outside upper center', ncols=3,
                  frameon=False, fontsize=9)
    write(figure, path)


def shares(ax: Axes, loop: pd.DataFrame, frame: pd.DataFrame, methods: Sequence[str]) -> None:
    """Draw the shares of one table; the place of a method in `methods` is its colour."""
    for place, method in enumerate(methods):
        rows = loop[loop['method'] == method]
        if len(rows):
            counts = np.arange(1, 1 + max(map(len, rows['rows'])))
            found = rows['trained'].to_numpy(float)
            ax.step(counts, [100 * np.mean(found <= count) for count in counts], where='post',
                    color=_colour(place), label=SEARCHED.get(method, method))
    for (method, label), marker, colour in zip(RIVALS.items(), MARKERS, ('#009E73', INK, GREY)):
        ranks = frame[frame['method'] == method].groupby('budget')['rank']
        share = 100 * ranks.apply(lambda rank: np.mean(rank == 1))
        if len(share):
            ax.plot(share.index + 10, share, marker=marker, markersize=4, linewidth=1,
                    linestyle=':', color=colour, label=label)
    ax.set_xlabel('stand-alone trainings', fontsize=9)
    ax.set_ylabel('found the best, %', fontsize=9)


def _colour(place: int) -> str:
    """Return the colour of a method; the green one is that of a rival."""
    own = [colour for colour in COLOURS if colour not in ('#009E73', '#000000')]
    return own[place % len(own)]


def budgets(path: Path, frame: pd.DataFrame) -> None:
    """Draw the test accuracy that each method finds over the number of trainings.

    Parameters
    ----------
    path
        File to write.
    frame
        Searches, a row each, as `acenas_tables.results` returns them.
    """
    figure = Figure(figsize=(10, 4), layout='constrained')
    for ax, (experiment, title) in zip(figure.subplots(1, 2), DATASETS.items()):
        for (method, label), colour, marker in zip(METHODS.items(), COLOURS, MARKERS):
            rows = of_all_seeds(frame, experiment)
            groups = rows[rows['method'] == method].groupby('budget')['test']
            mean, half = groups.mean(), groups.apply(margin_of_error)
            trained = mean.index + 10
            ax.plot(trained, mean, marker=marker, color=colour, label=label)
            ax.fill_between(trained, mean - half, mean + half, color=colour, alpha=0.15)
        ax.set_title(title, fontsize=10)
        ax.set_xlabel('architectures trained')
        ax.set_ylabel('test accuracy, %')
        tidy(ax)
    figure.axes[0].legend(frameon=False, fontsize=9)
    write(figure, path)


def supernet_or_evidence(path: Path, rows: Sequence[Any]) -> None:
    """Draw Kendall's tau of super-nets over their epochs, beside what needs no super-net.

    Parameters
    ----------
    path
        File to write.
    rows
        Correlations in one space, as `supernet_or_evidence.ranked` yields them.
    """
    figure = Figure(figsize=(9, 4.4), layout='constrained')
    panels = figure.subplots(1, 2, sharex=True)
    free, trained = ([row for row in rows if bool(row.epochs) == with_epochs]
                     for with_epochs in (False, True))
    for ax, column, title in zip(panels, ('alone', 'with_teacher'), (
            'the super-net alone', 'averaged with the learned teacher')):
        for row, style in zip(free, (':', '--')):
            ax.axhline(float(np.mean(row.alone)), color=INK, linestyle=style, linewidth=1,
                       label=f'{row.title}, no super-net')
        for name, colour, marker in zip(dict.fromkeys(row.title for row in trained), COLOURS,
                                        MARKERS):
            points = [row for row in trained if row.title == name]
            epochs = [row.epochs for row in points]
            ax.plot(epochs, [np.mean(getattr(row, column)) for row in points], color=colour,
                    marker=marker, label=_with_hours(name, points))
            for row in points:
                taus = getattr(row, column)
                ax.plot([row.epochs] * len(taus), taus, '.', color=colour, alpha=0.5)
        ax.set_xscale('log', base=2)
        ticks = sorted({row.epochs for row in trained})
        ax.set_xticks(ticks, [str(tick) for tick in ticks])
        ax.minorticks_off()
        ax.set_title(title, fontsize=10)
        ax.set_xlabel('epochs of the super-net')
        tidy(ax)
    panels[0].set_ylabel("Kendall's tau-b with test accuracy")
    figure.legend(*panels[0].get_legend_handles_labels(), loc='outside lower center', ncols=2,
                  frameon=False, fontsize=8)
    write(figure, path)


def _with_hours(name: str, points: Sequence[Any]) -> str:
    """Return the name of a kind of super-net, with the CPU time of the longest if it is known."""
    longest = max(points, key=lambda row: row.epochs)
    if longest.cpu_seconds is None:
        return name
    return f'{name} ({longest.epochs} epochs: {longest.cpu_seconds / 3600:.2f} CPU-h)'
