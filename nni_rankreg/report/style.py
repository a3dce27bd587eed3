"""What all pictures share: colours, axes, files.

Pictures are drawn without pyplot, so they need no display and leave its state alone. Colours are
those of Okabe and Ito, "Color Universal Design", 2008, which colour-blind people can tell apart.
"""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .._util.path import user_path

__all__ = ['COLOURS', 'MARKERS', 'INK', 'GREY', 'FAINT', 'tidy', 'save']

COLOURS = ('#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#000000')
MARKERS = 'osD^vPX'
INK, GREY, FAINT = '#222222', '#8c8c8c', '#dddddd'


def tidy(ax: Axes) -> None:
    """Give axes the grid, spines and ticks of all pictures."""
    ax.grid(color=FAINT, linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[['top', 'right']].set_visible(False)
    ax.spines[['left', 'bottom']].set_color(GREY)
    ax.tick_params(color=GREY, labelcolor=INK, labelsize=9)


def save(figure: Figure, path: str | Path) -> None:
    """Write a picture; its folder is made if need be.

    Raises
    ------
    ValueError
        If the name ends in another suffix than .png, .pdf or .svg.
    """
    path = user_path(path)
    if path.suffix not in ('.png', '.pdf', '.svg'):
        raise ValueError(f'Expected a file name that ends in .png, .pdf or .svg, got {path.name}.')
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
