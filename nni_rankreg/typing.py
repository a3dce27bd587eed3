"""The currencies of the package: `Sample`, `Results` and `Scorer`."""

from __future__ import annotations

import json
from typing import Any, Dict, Iterable, List, NamedTuple, Protocol, Sequence

from torch import Tensor

__all__ = ['Sample', 'Results', 'Scorer', 'metric_sign', 'sample_key']

Sample = Dict[str, Any]
"""An architecture: NNI's architecture dict, label -> choice."""


class Results(NamedTuple):
    """Architectures with their stand-alone metric, higher is better; both lists of length N."""

    samples: List[Sample]
    metrics: List[float]

    def without(self, samples: Iterable[Sample]) -> Results:
        """Return the results of all other architectures.

        Examples
        --------
        >>> Results([{'op': 'conv'}, {'op': 'none'}], [0.9, 0.1]).without([{'op': 'conv'}])
        Results(samples=[{'op': 'none'}], metrics=[0.1])
        """
        excluded = {sample_key(sample) for sample in samples}
        kept = [(sample, metric) for sample, metric in zip(*self)
                if sample_key(sample) not in excluded]
        return Results([sample for sample, _ in kept], [metric for _, metric in kept])


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
