"""How several scorers, such as proxies, agree with the truth and with each other."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from ..metric import bootstrap_interval, kendall_tau, spearman
from .markdown import markdown_table

__all__ = ['correlations', 'describe_agreement', 'describe_correlations']


def correlations(scores: Mapping[str, np.ndarray], targets: np.ndarray
                 ) -> dict[str, list[float]]:
    """Return Kendall's tau-b, the ends of its interval, and Spearman's rho of each scorer.

    Parameters
    ----------
    scores
        Scorer -> scores (N,), higher is better. Those that are NaN do not count; a scorer with
        fewer than two others gets NaN.
    targets
        True performance (N,), higher is better.

    Examples
    --------
    >>> found = correlations({'x': np.array([1., 2., np.nan])}, np.array([3., 4., 5.]))
    >>> [round(value, 3) for value in found['x']]
    [1.0, 1.0, 1.0, 1.0]
    """
    found = {}
    for name, values in scores.items():
        good = np.isfinite(values)
        pair = values[good], targets[good]
        found[name] = ([math.nan] * 4 if good.sum() < 2 else
                       [kendall_tau(*pair), *bootstrap_interval(kendall_tau, *pair),
                        spearman(*pair)])
    return found


def describe_correlations(scores: Mapping[str, np.ndarray], found: Mapping[str, list[float]]
                          ) -> str:
    """Return in Markdown what `correlations` has found.

    Parameters
    ----------
    scores
        Scorer -> scores (N,), of which those that are not finite are counted.
    found
        Scorer -> its correlations.
    """
    return markdown_table(
        ['proxy', 'Kendall tau-b', '95 % interval', 'Spearman', 'not finite'],
        [[name, tau, f'{low:+.3f} .. {high:+.3f}', rho, _not_finite(scores[name])]
         for name, (tau, low, high, rho) in found.items()], digits=3)


def describe_agreement(scores: Mapping[str, np.ndarray]) -> str:
    """Return in Markdown the median of each scorer and its agreement with the others.

    Parameters
    ----------
    scores
        Scorer -> scores (N,). The agreement is Kendall's tau-b where both are finite.
    """
    rows = []
    for name, values in scores.items():
        good = np.isfinite(values)
        taus = []
        for other in scores.values():
            both = good & np.isfinite(other)
            taus.append(kendall_tau(values[both], other[both]) if both.sum() > 1 else math.nan)
        median = float(np.median(values[good])) if good.any() else math.nan
        rows.append([name, f'{median:.4g}', _not_finite(values), *taus])
    return markdown_table(['proxy', 'median', 'not finite', *(f'tau, {name}' for name in scores)],
                          rows, digits=2)


def _not_finite(values: np.ndarray) -> int:
    return int((~np.isfinite(values)).sum())
