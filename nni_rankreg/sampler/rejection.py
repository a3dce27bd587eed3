"""Rejection sampling: draw until a draw is accepted; give up after too many that are not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from ..typing import Accept, Constraints, Sample, sample_key
from .all_of import all_of

__all__ = ['ATTEMPTS', 'accepted', 'first_accepted', 'once']

Drawn = TypeVar('Drawn')

ATTEMPTS = 10_000
"""Draws in a row that may fail before a sampler gives up."""


def accepted(draw: Callable[[], Drawn], accept: Callable[[Drawn], bool],
             attempts: int = ATTEMPTS) -> Iterator[Drawn]:
    """Yield the draws that are accepted, until so many in a row are not.

    Examples
    --------
    >>> numbers = iter(range(10))
    >>> list(accepted(lambda: next(numbers), lambda number: number % 3 == 0, attempts=2))
    [0]
    """
    misses = 0
    while misses < attempts:
        drawn = draw()
        if accept(drawn):
            misses = 0
            yield drawn
        else:
            misses += 1


def first_accepted(draw: Callable[[], Drawn], accept: Callable[[Drawn], bool],
                   failure: Callable[[], Exception], attempts: int = ATTEMPTS) -> Drawn:
    """Return the first draw that is accepted; raise the failure after so many that are not.

    Examples
    --------
    >>> numbers = iter([5, 6, 7])
    >>> first_accepted(lambda: next(numbers), lambda number: number > 5, ValueError)
    6
    """
    for drawn in accepted(draw, accept, attempts):
        return drawn
    raise failure()


def once(excluded: Iterable[Sample] = (), accept: Constraints = None,
         key: Callable[[Sample], str] = sample_key, seen: Iterable[str] = ()) -> Accept:
    """Return a filter that accepts each architecture once, so that accepted draws are different.

    Parameters
    ----------
    excluded
        Architectures that are never accepted.
    accept
        Which others count; None accepts all.
    key
        Identity of an architecture, or what several share of which one is accepted.
    seen
        Identities that are never accepted.

    Examples
    --------
    >>> new = once(excluded=[{'op': 'none'}])
    >>> [new({'op': op}) for op in ('conv', 'conv', 'none', 'pool')]
    [True, False, False, True]
    """
    met, counts = {*seen, *map(key, excluded)}, all_of(accept)

    def new(sample: Sample) -> bool:
        identity = key(sample)
        if identity in met or not (counts is None or counts(sample)):
            return False
        met.add(identity)
        return True

    return new
