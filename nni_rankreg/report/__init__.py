"""Pictures and tables of results. Plain data in, files and text out."""

from .cell import draw_cell
from .depth import depth_maps
from .ranking import rank_scatter, tau_per_epoch
from .table import best_table, markdown_table

__all__ = ['rank_scatter', 'tau_per_epoch', 'draw_cell', 'depth_maps', 'best_table',
           'markdown_table']
