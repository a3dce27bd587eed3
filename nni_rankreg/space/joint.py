"""Constraints that can draw: labels whose valid choices are rare among independent ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from nni.mutable import Constraint

from ..typing import Sample

__all__ = ['JointDraw']


class JointDraw(Constraint):
    """A constraint that draws its labels together, so that every draw is valid.

    NNI draws each label by itself and fails where a constraint is not met. Of a constraint of
    this kind its `random` and the samplers of this package take all labels at once.

    Attributes
    ----------
    label
        Name of the constraint.
    labels
        What it draws.
    """

    label: str
    labels: set[str]

    def draw(self, random: np.random.RandomState) -> Sample:
        """Return choices for all labels of the constraint that meet it."""
        raise NotImplementedError

    def standard(self) -> Sample:
        """Return the choices that stand for the space where nothing is drawn."""
        raise NotImplementedError

    def random(self, memo: Sample | None = None,
               random_state: np.random.RandomState | None = None) -> Any:
        """Draw the labels into `memo`, unless some are there already; NNI calls this."""
        memo = {} if memo is None else memo
        random_state = random_state or np.random.RandomState()
        if not self.labels & memo.keys():
            memo.update(self.draw(random_state))
        return super().random(memo, random_state)

    def default(self, memo: Sample | None = None) -> Any:
        """Put the standard choices into `memo`, unless some are there; NNI calls this."""
        memo = {} if memo is None else memo
        if not self.labels & memo.keys():
            memo.update(self.standard())
        return super().default(memo)
