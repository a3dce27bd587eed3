"""The stand-alone results that a term of the loss knows: those given, and those of the search."""

from __future__ import annotations

import logging
from typing import NamedTuple

from ..table.source import ResultsSource, read_results
from ..typing import Results
from .term import TermContext

__all__ = ['Known', 'check_landmarks', 'known_results']

_logger = logging.getLogger(__name__)


class Known(NamedTuple):
    """Stand-alone results, higher is better: what a term sees, and what is kept from it."""

    seen: Results
    held_out: Results


def known_results(given: ResultsSource | None, context: TermContext,
                  mode: str | None = None) -> Known:
    """Return the results given, and those of the search for other architectures.

    Where results are held out, they are evenly spread in the order in which results came: those
    of one super-net of a search are held out of the next ones, too, which start from its weights.

    Parameters
    ----------
    given
        Where the first ones are; None is nowhere.
    context
        Has the others, and says which share is held out.
    mode
        Of the given ones, as of `read_results`.

    Raises
    ------
    ValueError
        If one does not fit the space, or its metric is not finite.

    Examples
    --------
    >>> context = TermContext(results=Results([{'op': 'conv'}, {'op': 'pool'}], [0.9, 0.5], 'max'))
    >>> known_results(Results([{'op': 'conv'}], [0.8]), context).seen.metrics
    [0.8, 0.5]
    >>> known_results(None, context._replace(held_out=0.5)).held_out.samples
    [{'op': 'pool'}]
    """
    first = (Results([], [], 'max') if given is None
             else read_results(given, mode, context.space, 'landmark'))
    others = context.results.without(first.samples)
    every = Results(first.samples + others.samples, first.metrics + others.metrics, 'max')
    held_out = [row for row in range(len(every.samples))
                if int((row + 1) * context.held_out) > int(row * context.held_out)]
    seen = sorted({*range(len(every.samples))} - {*held_out})
    return Known(every.take(seen), every.take(held_out))


def check_landmarks(results: Results, name: str, context: TermContext) -> None:
    """Raise a ValueError if there are not two landmarks to learn from, one of which is better.

    Parameters
    ----------
    results
        The landmarks.
    name
        Of the regulariser that needs them.
    context
        If a search has measured some of them, equal metrics are no mistake, but worth a warning.
    """
    if not results.samples:
        raise ValueError(f'Expected landmarks, got none. Give {name} an Archive, a table or '
                         'results, or use it in a LandmarkSearch or AceNAS.')
    if len(results.samples) < 2:
        raise ValueError('Expected at least 2 landmarks to make a pair, got '
                         f'{len(results.samples)}.')
    if len(set(results.metrics)) < 2:
        message = (f'Expected landmarks with different metrics, got {abs(results.metrics[0]):g} of '
                   f'all {len(results.metrics)}: there is no order to learn.')
        if not context.results.samples:
            raise ValueError(message)
        _logger.warning(message)
