"""The example input of networks, and how a table describes it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..._util.error import brief
from ..._util.random import seeded

__all__ = ['Example', 'describe_example', 'described_example', 'make_example']

Example = Tensor | Sequence[int] | Sequence[Tensor]
"""An input, the shape of one image, or all arguments of a network."""


def make_example(example: Example) -> tuple[Tensor, ...]:
    """Return the arguments of a network.

    Raises
    ------
    ValueError
        If it is no example.

    Examples
    --------
    >>> [tuple(one.shape) for one in make_example((3, 8, 8))]
    [(1, 3, 8, 8)]
    """
    if isinstance(example, Tensor):
        return (example,)
    if isinstance(example, (tuple, list)) and example:
        if all(isinstance(one, Tensor) for one in example):
            return tuple(example)
        if all(type(one) is int and one > 0 for one in example):
            with seeded(0):
                return (torch.randn(1, *example),)
    raise ValueError('Expected an example input: a tensor, a tuple of tensors, or the shape of one '
                     f'image such as (3, 224, 224), got {brief(example)}.')


def describe_example(example: Sequence[Tensor]) -> str:
    """Return data types and shapes.

    Examples
    --------
    >>> describe_example(make_example((3, 8, 8)))
    'float32 1x3x8x8'
    """
    return ', '.join(f'{str(one.dtype).removeprefix("torch.")} {"x".join(map(str, one.shape))}'
                     for one in example)


def described_example(text: str) -> tuple[Tensor, ...]:
    """Return zeros of the data types and shapes that a text describes.

    Raises
    ------
    ValueError
        If it describes none.

    Examples
    --------
    >>> described_example('float32 1x3x8x8')[0].shape
    torch.Size([1, 3, 8, 8])
    """
    try:
        parts = [one.split(' ') for one in text.split(', ')]
        return tuple(torch.zeros([int(side) for side in shape.split('x')],
                                 dtype=getattr(torch, kind)) for kind, shape in parts)
    except (AttributeError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError('Expected an input such as float32 1x3x224x224, got '
                         f'{brief(text)}.') from error
