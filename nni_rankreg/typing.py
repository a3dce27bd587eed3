"""The currencies of the package: `Sample`, `Results` and `Scorer`; what a space is and a filter."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar, Union

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from nni.mutable import LabeledMutable, Mutable

__all__ = ['Accept', 'Constraints', 'Results', 'Sample', 'Scorer', 'Space', 'choices_of',
           'map_choices', 'metric_sign', 'plain_choice', 'sample_key', 'sample_keys', 'without']

Sample = dict[str, Any]
"""An architecture: NNI's architecture dict, label -> choice."""

Accept = Callable[[Sample], bool]
"""Which architectures count, such as a `LatencyConstraint`."""

Constraints = Accept | Sequence[Accept] | None
"""What is taken wherever it is said which architectures count: one, several (all must), none."""

Space = Union['Mutable', Mapping[str, 'LabeledMutable']]
"""An NNI model space, or label -> mutable, which its ``simplify()`` returns."""

Item = TypeVar('Item')

_encode = json.JSONEncoder(sort_keys=True).encode
_PART = 1000     # architectures that a processor keeps at hand
_PLAIN = frozenset([str, int])


class Results(NamedTuple):
    """Architectures with their stand-alone metric; both lists of length N.

    Examples
    --------
    >>> losses = Results([{'op': 'conv'}, {'op': 'none'}], [0.1, 0.9], 'min')
    >>> losses.in_mode('max').metrics
    [-0.1, -0.9]
    """

    samples: list[Sample]
    metrics: list[float]
    mode: str | None = None
    """``'max'``, ``'min'`` if lower metrics are better, or None: whoever reads the results says."""

    def pairs(self) -> Iterator[tuple[Sample, float]]:
        """Yield each architecture with its metric."""
        return zip(self.samples, self.metrics)

    def without(self, samples: Iterable[Sample]) -> Results:
        """Return the results of all other architectures.

        Examples
        --------
        >>> Results([{'op': 'conv'}, {'op': 'none'}], [0.9, 0.1]).without([{'op': 'conv'}]).samples
        [{'op': 'none'}]
        """
        return self.take(without(range(len(self.samples)), samples,
                                 key=lambda row: sample_key(self.samples[row])))

    def in_mode(self, mode: str) -> Results:
        """Return the same results with the sign of another mode; unsaid is ``'max'``."""
        sign = metric_sign(self.mode or 'max') * metric_sign(mode)
        return Results(self.samples, [sign * metric for metric in self.metrics], mode)

    def best_first(self) -> Results:
        """Return the results best first; equal ones keep their order, and NaN comes last.

        Examples
        --------
        >>> Results([{'op': 'none'}, {'op': 'conv'}], [0.1, 0.9]).best_first().metrics
        [0.9, 0.1]
        """
        scores = metric_sign(self.mode or 'max') * torch.tensor(self.metrics, dtype=torch.float64)
        scores[scores.isnan()] = -math.inf
        return self.take(scores.argsort(descending=True, stable=True).tolist())

    def take(self, rows: Iterable[int]) -> Results:
        """Return the results of some rows, in their order.

        Examples
        --------
        >>> Results([{'op': 'none'}, {'op': 'conv'}], [0.1, 0.9]).take([1]).samples
        [{'op': 'conv'}]
        """
        rows = list(rows)
        return Results([self.samples[row] for row in rows], [self.metrics[row] for row in rows],
                       self.mode)

    def some(self, count: int, seed: int = 0) -> Results:
        """Return random results, the same ones for the same seed, in their order; or all of fewer.

        Examples
        --------
        >>> Results([{'x': x} for x in range(9)], list(range(9))).some(3).metrics
        [2, 4, 5]
        """
        rows = np.random.default_rng(seed).permutation(len(self.samples))[:count]
        return self if len(self.samples) <= count else self.take(sorted(rows.tolist()))


class Scorer(Protocol):
    """Anything that scores architectures: a table, a proxy, a super-net, a predictor."""

    def __call__(self, samples: Sequence[Sample]) -> Tensor:
        """Return the scores of `samples`, shape (N,), higher is better."""
        ...


def metric_sign(mode: str) -> int:
    """Return the factor that makes higher better of a user's metric: 1 for 'max', -1 for 'min'.

    Raises
    ------
    ValueError
        If the mode is another.

    Examples
    --------
    >>> metric_sign('max'), metric_sign('min')
    (1, -1)
    """
    if mode not in ('max', 'min'):
        raise ValueError(f"Expected mode 'max' or 'min', got {mode!r}.")
    return 1 if mode == 'max' else -1


def sample_key(sample: Sample) -> str:
    """Return the identity of an architecture: the complete sample as canonical JSON.

    Choices that are equal in Python are one text, whatever their type: 8, 8.0 and NumPy's 8; 1 and
    True; a tuple and the list that a file has made of it.

    Raises
    ------
    TypeError
        If a choice is not representable in JSON.

    Examples
    --------
    >>> sample_key({'b': (1., 3), 'a': 'conv'})
    '{"a": "conv", "b": [1, 3]}'
    """
    try:
        return _kept_key(tuple(sample.items()))
    except TypeError:                              # lists cannot be looked up
        return _key(sample)


def sample_keys(samples: Sequence[Sample]) -> list[str]:
    """Return the `sample_key` of each of N architectures; label by label, as they may be many.

    Raises
    ------
    TypeError
        If a choice is not representable in JSON.

    Examples
    --------
    >>> sample_keys([{'a': 'conv'}, {'a': 3.}])
    ['{"a": "conv"}', '{"a": 3}']
    """
    labels = sorted(samples[0]) if samples else []
    columns = choices_of(samples, labels)
    if not labels or columns is None:
        return list(map(sample_key, samples))
    return [f'{{{", ".join(row)}}}' for row in zip(*map(_written, labels, columns))]


def _written(label: str, choices: Sequence[Any]) -> list[str]:
    """Return each choice of a label with it, as in the text of an architecture."""
    name = _encode({label: 0})[1:-2]
    return map_choices(lambda choice: name + _encode(plain_choice(choice)), choices)


def choices_of(samples: Sequence[Sample], labels: Sequence[str]) -> list[list[Any]] | None:
    """Return the choices of each label, label by label; None if a sample has other labels.

    Examples
    --------
    >>> choices_of([{'a': 1, 'b': 2}, {'a': 3, 'b': 4}], ['b', 'a'])
    [[2, 4], [1, 3]]
    """
    columns: list[list[Any]] = [[] for _ in labels]
    if not all(len(sample) == len(labels) for sample in samples):
        return None
    for start in range(0, len(samples), _PART):
        try:
            part = [[sample[label] for label in labels] for sample in samples[start:start + _PART]]
        except KeyError:
            return None
        for column, choices in zip(columns, zip(*part)):
            column.extend(choices)
    return columns


def map_choices(function: Callable[[Any], Item], choices: Sequence[Any]) -> list[Item]:
    """Return what a function makes of each of many choices; it is called once for equal ones.

    Examples
    --------
    >>> map_choices(str, ['conv', [0, 1], [0, 1]])
    ['conv', '[0, 1]', '[0, 1]']
    """
    objects = list(map(id, choices))
    by_value: dict[Any, Item] = {}
    by_object: dict[int, Item] = {}                # few, if the choices come from a file
    for place, choice in dict(zip(objects, choices)).items():
        value = tuple(choice) if type(choice) is list else choice
        try:
            if value not in by_value:
                by_value[value] = function(choice)
            by_object[place] = by_value[value]
        except TypeError:                          # dicts cannot be looked up
            by_object[place] = function(choice)
    return list(map(by_object.__getitem__, objects))


@lru_cache(maxsize=2 ** 15)
def _kept_key(items: tuple[tuple[str, Any], ...]) -> str:
    """Return the identity of an architecture; equal ones have the same, and so does a look-up."""
    return _key(dict(items))


def _key(sample: Sample) -> str:
    return _encode(sample if all(map(_is_plain, sample.values())) else plain_choice(sample))


def _is_plain(choice: Any) -> bool:
    """Return whether a choice is sure to be as JSON keeps it; most are, and are keyed quickly."""
    kind = type(choice)
    return kind in _PLAIN or (kind is list and _PLAIN.issuperset(map(type, choice)))


def plain_choice(choice: Any) -> Any:
    """Return a choice as JSON keeps it, the same for equal ones; what JSON cannot keep as it is.

    Examples
    --------
    >>> plain_choice((8., True, 'conv', 0.5, None))
    [8, 1, 'conv', 0.5, None]
    """
    kind = type(choice)
    if kind is str or kind is int:
        return choice
    if kind is float:
        return int(choice) if choice.is_integer() else choice
    if kind is bool:
        return int(choice)
    if isinstance(choice, dict):
        return {name: plain_choice(one) for name, one in choice.items()}
    if isinstance(choice, (list, tuple)):
        return list(map(plain_choice, choice))
    return plain_choice(choice.item()) if isinstance(choice, np.generic) else choice


def without(items: Iterable[Item], excluded: Iterable[Sample],
            key: Callable[[Any], str] = sample_key) -> list[Item]:
    """Return the items that belong to none of the excluded architectures.

    Parameters
    ----------
    items
        Architectures, or anything that has one.
    excluded
        Architectures to leave out.
    key
        Returns the identity of an item's architecture.

    Examples
    --------
    >>> without([{'op': 'conv'}, {'op': 'none'}], [{'op': 'none'}])
    [{'op': 'conv'}]
    """
    keys = set(sample_keys(list(excluded)))
    return [item for item in items if key(item) not in keys]
