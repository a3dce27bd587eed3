"""The currencies of the package: `Sample`, `Results` and `Scorer`; what a space is and a filter."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import (
    TYPE_CHECKING,
    Any,
    NamedTuple,
    Protocol,
    Union,
)

from torch import Tensor

if TYPE_CHECKING:
    from nni.mutable import LabeledMutable, Mutable

__all__ = ['Accept', 'Results', 'Sample', 'Scorer', 'Space', 'metric_sign', 'sample_key']

Sample = dict[str, Any]
"""An architecture: NNI's architecture dict, label -> choice."""

Accept = Callable[[Sample], bool]
"""Which architectures count, such as a `LatencyConstraint`."""

Space = Union['Mutable', Mapping[str, 'LabeledMutable']]
"""An NNI model space, or label -> mutable, which its ``simplify()`` returns."""


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
        excluded = set(map(sample_key, samples))
        kept = [(sample, metric) for sample, metric in self.pairs()
                if sample_key(sample) not in excluded]
        return Results([sample for sample, _ in kept], [metric for _, metric in kept], self.mode)

    def in_mode(self, mode: str) -> Results:
        """Return the same results with the sign of another mode; unsaid is ``'max'``."""
        sign = metric_sign(self.mode or 'max') * metric_sign(mode)
        return Results(self.samples, [sign * metric for metric in self.metrics], mode)

    def best_first(self) -> Results:
        """Return the results best first; equal ones keep their order.

        Examples
        --------
        >>> Results([{'op': 'none'}, {'op': 'conv'}], [0.1, 0.9]).best_first().metrics
        [0.9, 0.1]
        """
        sign = metric_sign(self.mode or 'max')
        order = sorted(range(len(self.samples)), key=lambda index: -sign * self.metrics[index])
        return Results([self.samples[index] for index in order],
                       [self.metrics[index] for index in order], self.mode)


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

    Raises
    ------
    TypeError
        If a choice is not representable in JSON.

    Examples
    --------
    >>> sample_key({'b': [1], 'a': 'conv'})
    '{"a": "conv", "b": [1]}'
    """
    return json.dumps(sample, sort_keys=True)
