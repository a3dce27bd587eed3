"""Draw from a pool of architectures that grows in the course of a search."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np

from .._util.random import OwnsGenerator
from ..typing import Constraints, Sample, Space
from .uniform import UniformSampler

__all__ = ['PoolSampler']


class PoolSampler(OwnsGenerator):
    """Draws each architecture from a pool or from the whole space, uniformly in either.

    Parameters
    ----------
    space
        An NNI space, or the dict that its ``simplify()`` returns.
    seed
        Of the sampler's own generator.
    share
        Probability to draw from the pool; as long as the pool is empty it is 0.
    accept
        Which architectures of the space may be drawn; None accepts all.

    Attributes
    ----------
    pool
        Architectures, to be extended by the search.

    Raises
    ------
    ValueError
        If `share` is not in [0, 1]; on drawing, if the constraints of the space or `accept` leave
        nothing.

    Examples
    --------
    >>> from nni.mutable import Categorical
    >>> sampler = PoolSampler({'width': Categorical([8, 16, 32], label='width')})
    >>> sampler.pool.append({'width': 16})
    >>> sampler.paths()
    [{'width': 16}]
    """

    def __init__(self, space: Space, seed: int = 0, *,
                 share: float = 1., accept: Constraints = None):
        if not 0 <= share <= 1:
            raise ValueError(f'Expected a share of the pool from 0 to 1, got {share}.')
        self._uniform = UniformSampler(space, seed, accept=accept)
        self._random = np.random.default_rng(seed)
        self.share = share
        self.pool: list[Sample] = []

    def paths(self) -> list[Sample]:
        """Return the architecture of one training step."""
        if self.pool and self._random.random() < self.share:
            return [deepcopy(dict(self.pool[self._random.integers(len(self.pool))]))]
        return [self._uniform.sample()]

    def distinct(self, count: int) -> list[Sample]:
        """Return `count` different architectures of the space; errors as of `UniformSampler`."""
        return self._uniform.distinct(count)

    def state_dict(self) -> dict[str, Any]:
        """Return the pool and the states of the generators."""
        # NNI's labels are a kind of text of their own, which no safe loader of checkpoints takes.
        pool = [{str(label): choice for label, choice in sample.items()} for sample in self.pool]
        return {**super().state_dict(), 'uniform': self._uniform.state_dict(), 'pool': pool}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` has returned."""
        super().load_state_dict(state)
        self._uniform.load_state_dict(state['uniform'])
        self.pool = list(state['pool'])
