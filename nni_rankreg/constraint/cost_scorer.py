"""A cost where a scorer is asked for."""

from __future__ import annotations

from collections.abc import Sequence

import nni
from torch import Tensor

from ..typing import Sample
from .cost import Cost, as_cost

__all__ = ['CostScorer']


@nni.trace
class CostScorer:
    """Minus a cost: a `Scorer`, the cheapest first.

    Parameters
    ----------
    cost
        Of which lower is better, see `as_cost`.

    Attributes
    ----------
    name
        That of the cost.

    Raises
    ------
    TypeError
        If it is no cost.

    Examples
    --------
    >>> from nni_rankreg.constraint import AdditiveLatency
    >>> CostScorer(AdditiveLatency({'op': {'conv': 2., 'skip': 0.}}, base=5.))([{'op': 'conv'}])
    tensor([-7.], dtype=torch.float64)
    """

    def __init__(self, cost: Cost):
        self._cost = as_cost(cost)
        self.name = self._cost.name

    def __call__(self, samples: Sequence[Sample]) -> Tensor:
        """Return minus the costs of N architectures, shape (N,), float64.

        Raises
        ------
        ValueError
            If they are no costs: not N numbers that are finite and at least 0.
        """
        return -self._cost(samples)
