"""How well a predictor ranks results that it has not seen."""

from __future__ import annotations

import numpy as np

from ..metric import bootstrap_interval, kendall_tau, ndcg
from ..typing import Results
from .ranker import Ranker

__all__ = ['held_out_ranking']

_HELD_OUT, _FEWEST = 0.2, 20


def held_out_ranking(ranker: Ranker, results: Results, seed: int = 0) -> str:
    """Return in words how well a random fifth is ranked by a fit to the others.

    Parameters
    ----------
    ranker
        Is fitted to four fifths of the results.
    results
        Higher is better; fewer than 20 are too few.
    seed
        Of what is held out.
    """
    count = len(results.samples)
    if count < _FEWEST:
        return f'{count} results are too few to hold some out: nothing tells how good this is.'
    order = np.random.default_rng(seed).permutation(count).tolist()
    size = round(_HELD_OUT * count)
    held, rest = ([results.samples[i] for i in rows] for rows in (order[:size], order[size:]))
    truth, metrics = ([results.metrics[i] for i in rows] for rows in (order[:size], order[size:]))
    scores = ranker.fit(rest, metrics).score(held)
    low, high = bootstrap_interval(kendall_tau, scores, truth)
    return (f'Held out {size} of {count}: Kendall tau-b {kendall_tau(scores, truth):.3f} '
            f'({low:+.3f} .. {high:+.3f}), NDCG {ndcg(scores, truth):.3f}')
