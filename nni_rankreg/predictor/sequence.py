"""Architectures as sequences of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

import numpy as np
import torch
from torch import Tensor

from ..sampler.choice import ChoiceSpace
from ..typing import Sample, Space

__all__ = ['TokenCodec']


class TokenCodec:
    """The two ways between the architectures of a space and sequences of tokens.

    A sequence has a position for each label with more than one choice, in the order of the space,
    and each position has a vocabulary of its own, the choices of its label.

    Parameters
    ----------
    space
        An NNI space, or the dict that its ``simplify()`` returns.

    Attributes
    ----------
    mask
        Which tokens are in the vocabulary of a position, bool, shape (positions, tokens). Each
        token belongs to one position.

    Raises
    ------
    ValueError
        If `space` is no space, or a label has too many choices to be tokens, such as a real
        number.

    Examples
    --------
    >>> from nni.mutable import Categorical
    >>> codec = TokenCodec({'op': Categorical('abc', label='op'),
    ...                     'width': Categorical([8, 16], label='width')})
    >>> codec.encode([{'op': 'c', 'width': 8}, {'op': 'a', 'width': 16}])
    tensor([[2, 3],
            [0, 4]])
    >>> codec.decode(codec.encode([{'op': 'c', 'width': 8}]))
    [{'op': 'c', 'width': 8}]
    """

    def __init__(self, space: Space):
        self._space = ChoiceSpace(space)
        endless = [one.label for one in self._space.movable if not one.choices]
        if endless:
            raise ValueError('Expected labels with a list of choices, which become tokens, got '
                             f'{endless} with too many of them.')
        self._labels = self._space.movable
        sizes = torch.tensor([one.size for one in self._labels])
        positions = torch.arange(len(sizes))
        self.mask = positions.repeat_interleave(sizes) == positions[:, None]
        self._first = sizes.cumsum(0) - sizes  # token of the first choice of each label

    def encode(self, samples: Sequence[Sample]) -> Tensor:
        """Return the tokens of N architectures, int64, shape (N, positions).

        Raises
        ------
        ValueError
            If one of them is not in the space.
        """
        rows = [[one.choices.index(sample[one.label]) for one in self._labels]
                for sample in map(self.canonical, samples)]
        return torch.tensor(rows).view(-1, len(self._labels)).long() + self._first

    def decode(self, tokens: Tensor) -> list[Sample]:
        """Return the architectures of tokens, shape (N, positions), each in its vocabulary.

        They may violate a constraint of the space, see `valid`.
        """
        fixed = {one.label: one.choices[0] for one in self._space.dimensions if one.size == 1}
        return [deepcopy({**fixed, **{one.label: one.choices[index]
                                      for one, index in zip(self._labels, row)}})
                for row in (tokens - self._first).tolist()]

    def canonical(self, sample: Sample) -> Sample:
        """Return an architecture as samplers spell it, or raise ValueError if it is none."""
        return self._space.canonical(sample)

    def valid(self, sample: Sample) -> bool:
        """Return whether an architecture satisfies the constraints of the space."""
        return self._space.valid(sample)

    def draw(self, random: np.random.RandomState) -> Sample:
        """Return a random architecture."""
        return self._space.draw_valid(lambda: self._space.draw(random))
