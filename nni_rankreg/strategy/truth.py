"""What the ranking of a super-net is measured against: results from elsewhere, or held out."""

from __future__ import annotations

from collections.abc import Sequence

from ..regularizer import Term, TermContext
from ..regularizer.known import known_results
from ..table import ResultsSource, read_results
from ..typing import Results, Space

__all__ = ['check_held_out', 'most_results', 'read_truth', 'truth_and_seen']

Truth = ResultsSource | float | None


def read_truth(truth: Truth, mode: str, space: Space) -> Results | None:
    """Return a truth from elsewhere, higher is better, or None if there is none.

    Parameters
    ----------
    truth, mode
        As of a `SuperNetStrategy`.
    space
        Whose architectures these are.

    Raises
    ------
    ValueError
        If it does not fit the space.
    """
    if truth is None or isinstance(truth, float):
        return None
    return read_results(truth, mode, space, 'result of truth')


def truth_and_seen(truth: Truth, mode: str, context: TermContext, terms: Sequence[Term]
                   ) -> tuple[Results | None, list[Results]]:
    """Return what is measured against, None if nothing is, and what the training has seen.

    Parameters
    ----------
    truth, mode
        As of a `SuperNetStrategy`.
    context
        Has the results of the search.
    terms
        Have those that each sees, and those that are held out.

    Raises
    ------
    ValueError
        If the truth does not fit the space, or too few results are held out.
    """
    seen = [one.results for one in terms]
    if isinstance(truth, float):
        return _held_out(context, terms), seen
    if truth is None:
        return None, seen
    return read_truth(truth, mode, context.space), [context.results, *seen]


def check_held_out(share: float, held_out: int) -> None:
    """Refuse a number of landmarks held out that makes no pair.

    Parameters
    ----------
    share
        Of the landmarks that is held out.
    held_out
        How many landmarks that is.

    Raises
    ------
    ValueError
        If it is less than 2.
    """
    if held_out < 2:
        raise ValueError(f'Expected a truth that holds out at least 2 landmarks, got {share:g}, '
                         f'which holds out {held_out}. Raise it, or give more landmarks.')


def most_results(results: Sequence[Results]) -> Results:
    """Return the one of several that has most."""
    return max(results, key=lambda one: len(one.samples))


def _held_out(context: TermContext, terms: Sequence[Term]) -> Results:
    """Return the results that no term sees; raise a ValueError if these make no pair."""
    results = most_results([known_results(None, context).held_out,
                            *(one.held_out for one in terms)])
    check_held_out(context.held_out, len(results.samples))
    return results
