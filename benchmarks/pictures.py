"""Pictures of docs/results.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from acenas_tables import of_all_seeds
from matplotlib.figure import Figure

from nni_rankreg.metric import margin_of_error
from nni_rankreg.report.style import COLOURS, GREY, INK, MARKERS, save, tidy

METHODS = {'LambdaRank': 'AceNAS', 'greedy': 'AceNAS, greedy', 'LightGBM': 'LightGBM',
           'LightGBM, greedy': 'LightGBM, greedy', 'evolution': 'regularised evolution',
           'random': 'random search'}
RANKED = {'spos': 'plain super-net', 'spos, longer': 'plain, 2.27 times as long',
          'landmark_64, 4 pairs': 'landmarks', 'RD vote, strong': 'ranking distillation'}
EVIDENCE = [0.666, 0.676, 0.655]   # as `nni-rankreg ablate` prints it, in docs/results.md
SEARCHED = {'ensemble': 'all evidence (this package)', 'boosted': 'LightGBM, the same evidence'}
RIVALS = {'LambdaRank': 'AceNAS as published', 'evolution': 'regularised evolution',
          'random': 'random search'}
DATASETS = {'c100': 'CIFAR-100', 'c10': 'CIFAR-10'}


def rankings(path: Path, panels: Mapping[str, tuple[Sequence[dict[str, Any]], Mapping[str, str]]]
             ) -> None:
    """Draw Kendall's tau of each arm with its interval and its seeds.

    Parameters
    ----------
    path
        File to write.
    panels
        Title -> runs, and the titles of their arms in order.
    """
    figure = Figure(figsize=(11, 5), layout='constrained')
    axes = figure.subplots(1, len(panels), sharey=True, sharex=True)
    for ax, (title, (runs, arms)) in zip(axes, panels.items()):
        for place, arm in enumerate(arms):
            taus = [run['kendall_tau'] for run in runs if run['arm'] == arm]
            half = margin_of_error(taus)
            ax.errorbar(np.mean(taus), place, xerr=half, fmt='o', color=COLOURS[0], capsize=3)
            ax.plot(taus, [place] * len(taus), '.', color=COLOURS[1], zorder=3)
        ax.axvline(0, color=GREY, linewidth=0.8)
        ax.set_yticks(range(len(arms)), list(arms.values()))
        ax.set_title(title, fontsize=10)
        ax.set_xlabel("Kendall's tau-b with test accuracy")
        tidy(ax)
    axes[0].invert_yaxis()
    save(figure, path)


def headline(path: Path, runs: Sequence[dict[str, Any]], loop: pd.DataFrame, frame: pd.DataFrame
             ) -> None:
    """Draw what the package brings: how super-nets rank, and how soon searches find the best.

    Parameters
    ----------
    path
        File to write.
    runs
        Rankings of NAS-Bench-201 with 5 operations, of seeds 0 to 2.
    loop
        Searches of `closed_loop`, a row each: method and trained, the training that found the best.
    frame
        Searches, a row each, as `acenas_tables.results` returns them.
    """
    figure = Figure(figsize=(11, 3.6), layout='constrained')
    ranking, searches = figure.subplots(1, 2, width_ratios=(1, 1.2))
    taus = {label: [run['kendall_tau'] for run in runs if run['arm'] == arm]
            for arm, label in RANKED.items()} | {'evidence alone, no training': EVIDENCE}
    for place, values in enumerate(taus.values()):
        ranking.errorbar(np.mean(values), place, xerr=margin_of_error(values), fmt='o',
                         color=COLOURS[0], capsize=3)
        ranking.plot(values, [place] * len(values), '.', color=COLOURS[1], zorder=3)
    ranking.axvline(0, color=GREY, linewidth=0.8)
    ranking.set_yticks(range(len(taus)), list(taus))
    ranking.invert_yaxis()
    ranking.set_xlabel("Kendall's tau-b with test accuracy")
    ranking.set_title('Ranking 200 architectures', fontsize=10)
    for (method, label), colour in zip(SEARCHED.items(), COLOURS):
        trained = loop.loc[loop['method'] == method, 'trained']
        if len(trained):
            counts = np.arange(1, 111)
            share = [100 * np.mean(trained <= count) for count in counts]
            searches.step(counts, share, where='post', color=colour, label=label)
    for (method, label), colour, marker in zip(RIVALS.items(), COLOURS[2:], MARKERS):
        found = frame[frame['method'] == method].groupby('budget')['rank']
        share = 100 * found.apply(lambda rank: np.mean(rank == 1))
        searches.plot(share.index + 10, share, marker=marker, color=colour, label=label)
    searches.set_xlabel('stand-alone trainings')
    searches.set_ylabel('searches that found the best, %')
    searches.set_title('Finding the best of 15,625', fontsize=10)
    searches.legend(frameon=False, fontsize=8, loc='center right')
    for ax in (ranking, searches):
        tidy(ax)
    save(figure, path)


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
    save(figure, path)


def supernet_or_evidence(path: Path, rows: Sequence[Any]) -> None:
    """Draw Kendall's tau of super-nets over their epochs, beside what needs no super-net.

    Parameters
    ----------
    path
        File to write.
    rows
        Correlations in one space, as `supernet_or_evidence.ranked` yields them.
    """
    figure = Figure(figsize=(9, 4), layout='constrained')
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
                    marker=marker, label=name)
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
    figure.legend(*panels[0].get_legend_handles_labels(), loc='outside lower center', ncols=3,
                  frameon=False, fontsize=8)
    save(figure, path)
