"""Pictures, pages and Markdown of results."""

from .cell import draw_cell
from .correlation import correlations, describe_agreement, describe_correlations
from .depth import depth_maps
from .markdown import markdown_table
from .ranking import rank_scatter, tau_per_epoch
from .search import report_search

__all__ = ['rank_scatter', 'tau_per_epoch', 'draw_cell', 'depth_maps', 'markdown_table',
           'correlations', 'describe_correlations', 'describe_agreement', 'report_search']
