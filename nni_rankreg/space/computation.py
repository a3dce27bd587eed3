"""What a cell computes, as a text that does not depend on the order in which it is built."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

__all__ = ['Computation', 'Value']

Value = tuple[int, ...]
"""A sum: the numbers of its terms, each as often as it is added; the empty sum is zero."""


class _Term(NamedTuple):
    name: str
    argument: Value | None  # None: an input of the cell


class Computation:
    """Sums of operations on sums, from the inputs of a cell to its outputs.

    Sums are flat and commute. Each operation with weights has its own, so that two of them on one
    argument are two different terms; an operation without weights is one term wherever it is
    applied to the same argument.

    Examples
    --------
    >>> def twice(name, own_weights):
    ...     cell = Computation()
    ...     image = cell.input('x')
    ...     first, second = (cell.apply(name, image, own_weights) for _ in range(2))
    ...     return cell.text([cell.add(first, second)])
    >>> twice('pool', own_weights=False)
    '0=pool(1) 1=x out(0+0)'
    >>> twice('conv', own_weights=True)
    '0=conv(2) 1=conv(2) 2=x out(0+1)'
    """

    def __init__(self) -> None:
        self._terms: list[_Term] = []
        self._shared: dict[_Term, Value] = {}

    def input(self, name: str) -> Value:
        """Return an input of the cell."""
        return self._term(_Term(name, None), own_weights=False)

    def apply(self, name: str, argument: Value, own_weights: bool = True) -> Value:
        """Return an operation on a value.

        Parameters
        ----------
        name
            Of the operation.
        argument
            What it is applied to.
        own_weights
            Whether the operation has weights, or draws random numbers, so that another one on the
            same argument gives something else.
        """
        return self._term(_Term(name, argument), own_weights)

    @staticmethod
    def add(*values: Value) -> Value:
        """Return the sum of values."""
        return tuple(sorted(term for value in values for term in value))

    def text(self, outputs: Sequence[Value]) -> str:
        """Return the terms that outputs depend on, numbered in an order of their own, and these.

        The text is complete: two computations with one text are equal but for the order of terms
        and outputs. Terms get their numbers by what they are and by what becomes of them, refined
        until all differ (Weisfeiler and Leman, 1968, with the first of several alike singled out).

        Parameters
        ----------
        outputs
            Values whose order does not matter, such as those that are concatenated.
        """
        ranks = self._ranks(self._live(outputs), outputs)
        terms = [_spell(self._terms[term], ranks) for term in sorted(ranks, key=ranks.__getitem__)]
        merged = ','.join(sorted(_sum(value, ranks) for value in outputs))
        return ' '.join([*(f'{number}={term}' for number, term in enumerate(terms)),
                         f'out({merged})'])

    def _term(self, term: _Term, own_weights: bool) -> Value:
        if not own_weights and term in self._shared:
            return self._shared[term]
        self._terms.append(term)
        value = (len(self._terms) - 1,)
        if not own_weights:
            self._shared[term] = value
        return value

    def _live(self, outputs: Iterable[Value]) -> list[int]:
        """Return the terms that outputs depend on; arguments stand before what they are part of."""
        live = {term for value in outputs for term in value}
        for term in range(len(self._terms) - 1, -1, -1):
            if term in live:
                live.update(self._terms[term].argument or ())
        return sorted(live)

    def _ranks(self, live: list[int], outputs: Sequence[Value]) -> dict[int, int]:
        """Return a number for each live term, all different and the same however it was built."""
        ranks = _ranked({term: self._terms[term].name for term in live})
        while len(classes := Counter(ranks.values())) < len(live):
            refined = self._refined(ranks, outputs)
            if len(set(refined.values())) == len(classes):    # some are alike: single one out
                alike = min(rank for rank, count in classes.items() if count > 1)
                first = next(term for term in live if ranks[term] == alike)
                refined = _ranked({term: (rank, term != first) for term, rank in ranks.items()})
            ranks = refined
        return ranks

    def _refined(self, ranks: dict[int, int], outputs: Sequence[Value]) -> dict[int, int]:
        """Tell terms apart by their arguments and by the values that they are part of."""
        arguments = {term: _spelled(self._terms[term].argument or (), ranks) for term in ranks}
        uses: dict[int, list[tuple[int, Value]]] = {term: [] for term in ranks}
        for term, rank in ranks.items():
            for part in self._terms[term].argument or ():
                uses[part].append((rank, arguments[term]))
        for value in outputs:
            for part in value:
                uses[part].append((-1, _spelled(value, ranks)))
        return _ranked({term: (rank, arguments[term], sorted(uses[term]))
                        for term, rank in ranks.items()})


def _spell(term: _Term, ranks: dict[int, int]) -> str:
    return term.name if term.argument is None else f'{term.name}({_sum(term.argument, ranks)})'


def _sum(value: Value, ranks: dict[int, int]) -> str:
    return '+'.join(map(str, _spelled(value, ranks)))


def _spelled(value: Value, ranks: dict[int, int]) -> Value:
    return tuple(sorted(ranks[term] for term in value))


def _ranked(keys: dict[int, Any]) -> dict[int, int]:
    """Return the place of each key among all, the same for equal ones."""
    order = sorted(keys.values())
    return {term: bisect_left(order, key) for term, key in keys.items()}
