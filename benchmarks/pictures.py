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
from nni_rankreg.report.style import COLOURS, GREY, MARKERS, save, tidy

METHODS = {'LambdaRank': 'AceNAS', 'greedy': 'AceNAS, greedy', 'LightGBM': 'LightGBM',
           'LightGBM, greedy': 'LightGBM, greedy', 'evolution': 'regularised evolution',
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
