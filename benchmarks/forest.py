"""The forest plot of rankings: each arm with its interval, beside what needs no training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image
from rankings import Group

from nni_rankreg.ablation.summary import MEAN_RANK
from nni_rankreg.metric import margin_of_error
from nni_rankreg.report.style import COLOURS, GREY, INK, save, tidy

KINDS = {'plain, controls and peers': INK, 'landmarks': COLOURS[0],
         'ranking distillation': COLOURS[2], 'both': COLOURS[3], 'proxies, no training': COLOURS[1]}
NO_TRAINING = 'four proxies and their vote, no training'


def write(figure: Figure, path: Path) -> None:
    """Write a picture of few colours, which is a third of the size."""
    save(figure, path)
    with Image.open(path) as image:
        image.convert('RGB').quantize(128).save(path, optimize=True)


def kind(arm: str) -> str:
    """Return what an arm is drawn as, one of `KINDS`."""
    landmark, distilled = 'landmark' in arm, 'RD' in arm or 'teacher' in arm
    return ('both' if landmark and distilled else 'landmarks' if landmark
            else 'ranking distillation' if distilled else 'plain, controls and peers')


def draw(path: Path, groups: Sequence[Group]) -> None:
    """Draw Kendall's tau of each arm with its interval and its seeds, beside the free baseline.

    Parameters
    ----------
    path
        File to write.
    groups
        A panel each.
    """
    heights = [len(_rows(group)) + 1 for group in groups]
    figure = Figure(figsize=(6.3, 0.8 + 0.2 * sum(heights) + 0.3 * len(groups)), dpi=150,
                    layout='constrained')
    panels = figure.subplots(len(groups), 1, sharex=True, squeeze=False, height_ratios=heights)
    for ax, group in zip(panels[:, 0], groups):
        _panel(ax, group)
    panels[-1, 0].set_xlabel("Kendall's tau-b with the truth; dots are seeds", fontsize=9)
    figure.legend(handles=[Line2D([], [], color=colour, marker='o', label=name)
                           for name, colour in KINDS.items()],
                  loc='outside upper center', ncols=3, frameon=False, fontsize=9)
    write(figure, path)


def _rows(group: Group) -> dict[str, str]:
    """Return arm -> title of what is drawn: the teachers, and the arms that have all seeds."""
    seeds = Counter(run['arm'] for run in group.runs)
    return {**({MEAN_RANK: NO_TRAINING} if group.teachers else {}),
            **{arm: title for arm, title in group.arms.items()
               if seeds[arm] == max(seeds.values())}}


def _panel(ax: Axes, group: Group) -> None:
    rows = _rows(group)
    for place, arm in enumerate(rows):
        if arm == MEAN_RANK:
            colour, taus = KINDS['proxies, no training'], group.teachers[MEAN_RANK]
            ax.axvline(float(np.mean(taus)), color=colour, linewidth=1.2, linestyle='--')
            single = [np.mean(one) for name, one in group.teachers.items() if name != MEAN_RANK]
            ax.plot(single, [place] * len(single), '|', color=colour, markersize=9)
        else:
            colour = KINDS[kind(arm)]
            taus = [run['kendall_tau'] for run in group.runs if run['arm'] == arm]
        interval(ax, place, taus, colour)
    ax.axvline(0, color=GREY, linewidth=0.8)
    ax.set_yticks(range(len(rows)), list(rows.values()))
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_title(group.title, fontsize=10, loc='left', color=INK)
    tidy(ax)


def interval(ax: Axes, place: float, taus: Sequence[float], colour: str) -> None:
    """Draw a mean with its 95 % interval, and what it is the mean of."""
    ax.errorbar(np.mean(taus), place, xerr=margin_of_error(taus), fmt='o', color=colour,
                capsize=2.5, markersize=5)
    ax.plot(taus, [place] * len(taus), '.', color=colour, alpha=0.5, markersize=5, zorder=3)
