"""Pictures of rankings: predicted against true, and rank correlation over the epochs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from scipy import stats

from ..metric import kendall_tau
from ..typing import metric_sign
from .style import COLOURS, GREY, INK, MARKERS, save, tidy

__all__ = ['rank_scatter', 'tau_per_epoch']


def rank_scatter(
    path: str | Path, scores: Mapping[str, npt.ArrayLike], targets: npt.ArrayLike, *,
    xlabel: str = 'stand-alone metric', ylabel: str = 'rank by super-net score (1 = worst)',
    intervals: Mapping[str, tuple[float, float, float]] | None = None, mode: str = 'max',
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
        True metric, shape (N,); its ranks where most values are close.
    xlabel, ylabel
        What is on the axes, with the unit.
    intervals
        Kendall's tau of an arm with the ends of its interval, from `bootstrap_interval` or over
        seeds. Without it, the title tells the tau-b of the points; with it, that one is added
        where it differs.
    mode
        ``'max'``, or ``'min'`` if lower targets are better: their axis then falls to the right.

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
    save(_rank_figure(scores, targets, xlabel, ylabel, intervals or {}, mode), path)


def _rank_figure(scores: Mapping[str, npt.ArrayLike], targets: npt.ArrayLike, xlabel: str,
                 ylabel: str, intervals: Mapping[str, tuple[float, float, float]],
                 mode: str) -> Figure:
    _check_arms(scores)
    unknown = set(intervals) - set(scores)
    if unknown:
        raise ValueError(f'Expected intervals of the arms {list(scores)}, got {sorted(unknown)}.')
    truth = np.asarray(targets, dtype=float)
    order, sign = np.argsort(truth), metric_sign(mode)
    rows = -(-len(scores) // 4)
    columns = -(-len(scores) // rows)
    figure = Figure((3.6 * columns + 0.6, 3.5 * rows + 0.8), 150, layout='constrained')
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flatten()
    for ax, (arm, values), colour in zip(axes, scores.items(), cycle(COLOURS)):
        predicted = np.asarray(values, dtype=float)
        if predicted.shape != truth.shape:
            raise ValueError(f'Expected a score of {arm!r} for each of the targets, shape '
                             f'{truth.shape}, got shape {predicted.shape}.')
        ax.set_title(_rank_title(arm, kendall_tau(predicted, sign * truth), intervals.get(arm)),
                     fontsize=10, color=INK, parse_math=False)
        ax.plot(truth[order], stats.rankdata(sign * truth)[order], color=GREY, linewidth=1.2)
        ax.scatter(truth, stats.rankdata(predicted), s=np.clip(5000 / len(truth), 4, 36),
                   color=colour, alpha=0.65, edgecolor='white', linewidth=0.4, zorder=3)
        ax.tick_params(labelbottom=True)
        ax.yaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]))
        tidy(ax)
    if mode == 'min':
        axes[0].invert_xaxis()  # of all panels: they share it
    for ax in axes[len(scores):]:
        ax.remove()
    figure.supxlabel(xlabel, fontsize=10, color=INK)
    figure.supylabel(ylabel, fontsize=10, color=INK)
    figure.legend([Line2D([], [], color=GREY)], ['perfect ranking'], loc='outside upper right',
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
    boundaries: Sequence[float] = (), metric: str = 'kendall_tau', ylabel: str = 'Kendall τ',
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
    save(_tau_figure(histories, boundaries, metric, ylabel), path)


def _tau_figure(histories: Mapping[str, Sequence[Mapping[str, float]]],
                boundaries: Sequence[float], metric: str, ylabel: str) -> Figure:
    _check_arms(histories)
    figure = Figure((8, 4), 150, layout='constrained')
    ax = figure.subplots()
    styles = zip(cycle(COLOURS), cycle(MARKERS))
    handles: dict[str, Artist] = {}
    for (arm, history), (colour, marker) in zip(histories.items(), styles):
        epochs, taus = _series(arm, history, metric)
        handles[arm], = ax.plot(epochs, taus, color=colour, marker=marker, linewidth=1.8,
                                markersize=4.5, markeredgecolor='white', markeredgewidth=0.5,
                                markevery=max(1, len(epochs) // 15), zorder=3)
    for boundary in boundaries:
        handles['new iteration'] = ax.axvline(boundary, color=GREY, linewidth=0.9,
                                              linestyle=(0, (5, 4)), zorder=1)
    ax.set_xlabel('epoch', fontsize=10, color=INK)
    ax.set_ylabel(ylabel, fontsize=10, color=INK)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    tidy(ax)
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
    for before, after in pairwise(epochs):
        if after <= before:
            raise ValueError(f'Expected increasing epochs of {arm!r}, got {after:g} after '
                             f'{before:g}; let the epochs of later iterations continue.')
    return epochs, [float(entry[metric]) for entry in history]


def _check_arms(arms: Mapping[str, Any]) -> None:
    if not arms:
        raise ValueError('Expected at least one arm, got none.')
