"""Metrics that compare predicted scores with the true performance of architectures.

Every metric takes `scores` (predictions) and `targets` (truth), both of shape (N,) and both
higher is better, as a sequence, a NumPy array or a tensor on any device.
"""

from .correlation import concordant_pair_ratio, kendall_tau, pearson, sparse_kendall_tau, spearman
from .interval import bootstrap_interval
from .top import ndcg, relevance, top_k

__all__ = [
    'kendall_tau', 'sparse_kendall_tau', 'spearman', 'pearson', 'concordant_pair_ratio',
    'top_k', 'ndcg', 'relevance', 'bootstrap_interval',
]
