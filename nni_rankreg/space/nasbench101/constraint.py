"""What is a cell of NAS-Bench-101, and random cells."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from nni.mutable import (
    Categorical,
    ConstraintViolation,
    LabeledMutable,
    Mutable,
    SampleValidationError,
    label_scope,
)

from ...typing import Sample
from ..joint import JointDraw
from .code import LABELS, OPERATIONS, ModelSpec, sample_of, spec_of
from .graph import VERTICES, unpack, valid_matrices

__all__ = ['CellConstraint']


class CellConstraint(JointDraw):
    """An architecture is a cell: a path from input to output, at most nine edges on paths.

    A cell is drawn with 2 to 7 vertices, v of them with a probability proportional to 2^v; then
    one of the valid matrices with all vertices on paths, uniformly; then each operation.
    Source: Zhang et al., "AceNAS", 2021, which draws matrices until one is valid.
    """

    def __init__(self) -> None:
        self.label, self.labels = 'cell/valid', set(LABELS)
        with label_scope('cell'):
            self.symbols = [
                Categorical([0, 1] if 'edge' in label else OPERATIONS, label=label.split('/')[1])
                for label in LABELS]

    def leaf_mutables(self, is_leaf: Callable[[Mutable], bool]) -> Iterable[LabeledMutable]:
        """Yield the constraint before its labels, so that NNI lets it draw before them."""
        yield self
        for symbol in self.symbols:
            yield from symbol.leaf_mutables(is_leaf)

    def check_contains(self, sample: Sample) -> SampleValidationError | None:
        """Return what is wrong with a sample, or None."""
        for symbol in self.symbols:
            error = symbol.check_contains(sample)
            if error is not None:
                return error
        try:
            spec_of(sample)
        except ValueError as violation:
            return ConstraintViolation(str(violation))
        return None

    def draw(self, random: np.random.RandomState) -> Sample:
        """Return a random cell."""
        weights = 2. ** np.arange(2, VERTICES + 1)
        vertices = int(random.choice(np.arange(2, VERTICES + 1), p=weights / weights.sum()))
        matrices = valid_matrices(vertices)
        matrix = unpack(int(matrices[random.randint(len(matrices))]), vertices)
        names = [OPERATIONS[index] for index in random.randint(len(OPERATIONS), size=vertices - 2)]
        return sample_of(ModelSpec(matrix, ('input', *names, 'output')))

    def standard(self) -> Sample:
        """Return a chain of all vertices."""
        chain = tuple(tuple(int(target == source + 1) for target in range(VERTICES))
                      for source in range(VERTICES))
        return sample_of(ModelSpec(chain, ('input', *[OPERATIONS[0]] * (VERTICES - 2), 'output')))
