"""The stand-alone results that a term of the loss knows: those given, and those of the search."""

from __future__ import annotations

from ..table.source import ResultsSource, read_results
from ..typing import Results
from .term import TermContext

__all__ = ['check_landmarks', 'known_results']


def known_results(given: ResultsSource | None, context: TermContext,
                  mode: str | None = None) -> Results:
    """Return the results given, and those of the search for other architectures; 'max'.

    Parameters
    ----------
    given
        Where the first ones are; None is nowhere.
    context
        Has the others.
    mode
        Of the given ones, as of `read_results`.

    Examples
    --------
    >>> context = TermContext(results=Results([{'op': 'conv'}, {'op': 'pool'}], [0.9, 0.5], 'max'))
    >>> known_results(Results([{'op': 'conv'}], [0.8]), context).metrics
    [0.8, 0.5]
    """
    first = Results([], [], 'max') if given is None else read_results(given, mode)
    others = context.results.without(first.samples)
    return Results(first.samples + others.samples, first.metrics + others.metrics, 'max')


def check_landmarks(results: Results, name: str) -> None:
    """Raise a ValueError if there are not two landmarks.

    Parameters
    ----------
    results
        The landmarks.
    name
        Of the regulariser that needs them.
    """
    if not results.samples:
        raise ValueError(f'Expected landmarks, got none. Give {name} an Archive, a table or '
                         'results, or use it in a LandmarkSearch.')
    if len(results.samples) < 2:
        raise ValueError('Expected at least 2 landmarks to make a pair, got '
                         f'{len(results.samples)}.')
