"""Metrics that compare predicted scores with the true performance of architectures.

Every metric of a ranking takes `scores` (predictions) and `targets` (truth), both of shape (N,)
and both higher is better, as a sequence, a NumPy array or a tensor on any device. Others compare
depth maps, and points of several objectives, each lower is better.
"""

from .correlation import concordant_pair_ratio, kendall_tau, pearson, sparse_kendall_tau, spearman
from .depth import align_least_squares, aligned_delta, aligned_rmse
from .improvement import Front, hypervolume_improvement
from .interval import bootstrap_interval, kendall_tau_interval, margin_of_error
from .pareto import crowding, hypervolume, pareto_rank
from .top import ndcg, relevance, top_k

__all__ = [
    'kendall_tau', 'sparse_kendall_tau', 'spearman', 'pearson', 'concordant_pair_ratio',
    'top_k', 'ndcg', 'relevance', 'bootstrap_interval', 'kendall_tau_interval', 'margin_of_error',
    'align_least_squares', 'aligned_rmse', 'aligned_delta',
    'pareto_rank', 'crowding', 'hypervolume', 'hypervolume_improvement', 'Front',
]
