"""Random architectures that can be drawn again elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from ..typing import Constraints, Sample, Space
from .candidates import Candidates

__all__ = ['UniformDraw']


@dataclass(frozen=True)
class UniformDraw:
    """Random architectures that are drawn alike wherever they are needed, in a trial for example.

    Parameters
    ----------
    count
        Number of different architectures; a small space has fewer.
    seed
        Of the draw.
    accept
        Which architectures count; None accepts all.

    Examples
    --------
    >>> from nni.mutable import Categorical
    >>> space = {'width': Categorical([8, 16, 32], label='width')}
    >>> draw = UniformDraw(2, seed=1)
    >>> len(draw.samples(space)), draw.samples(space) == draw.samples(space)
    (2, True)
    """

    count: int
    seed: int = 0
    accept: Constraints = None

    def samples(self, space: Space) -> list[Sample]:
        """Return the architectures: an NNI space and its simplified form give the same."""
        return Candidates(space, accept=self.accept, pool=self.count, seed=self.seed
                          ).random(self.count)
