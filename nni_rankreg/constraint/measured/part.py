"""The layers that a space chooses among, each in its place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import torch
from nni.nas.nn.pytorch import LayerChoice
from torch import Tensor, nn

from ...typing import plain_choice

__all__ = ['Part', 'find_parts']


@dataclass(frozen=True)
class Part:
    """A layer that may be chosen, at all places where it sees an input of the same shape."""

    label: str
    choice: Any
    shape: str
    """Of its inputs and outputs."""
    places: int
    """How often a network has it there."""
    layer: nn.Module
    inputs: tuple[Any, ...]

    @property
    def name(self) -> dict[str, Any]:
        """What it is in a table."""
        return {'label': self.label, 'choice': plain_choice(self.choice), 'shape': self.shape,
                'places': self.places}


def find_parts(space: nn.Module, example: Sequence[Tensor]) -> list[Part]:
    """Return the layers that a space chooses among, with the inputs that they get there.

    Those inside of other choices and of further blocks of a chain see what the first choices give.
    A space that is no network by itself, or that chooses among no layers, has none.

    Parameters
    ----------
    space
        Runs with its first choices, as NNI's spaces do; left as it is but for its statistics.
    example
        Its arguments.

    Examples
    --------
    >>> from nni_rankreg.space import NasBench201
    >>> parts = find_parts(NasBench201(4, 1), [torch.zeros(1, 3, 8, 8)])
    >>> len(parts), parts[0].name
    (90, {'label': 'cell/0_1', 'choice': 'none', 'shape': '1x4x8x8 to 1x4x8x8', 'places': 1})
    """
    seen: list[tuple[LayerChoice, tuple[Any, ...]]] = []
    with ExitStack() as stack, torch.inference_mode():
        for module in space.modules():
            if isinstance(module, LayerChoice):
                stack.callback(module.register_forward_pre_hook(
                    lambda choice, inputs: seen.append((choice, inputs))).remove)
        try:
            space.eval()(*example)
        except Exception:  # a space need not be a network before its choices are made
            return []
        parts: dict[str, Part] = {}
        for choice, inputs in seen:
            for part in _candidates(choice, inputs):
                key = f'{part.label} {part.choice!r} {part.shape} {part.layer}'
                found = parts.get(key)
                parts[key] = (part if found is None
                              else replace(found, places=found.places + 1))
    return list(parts.values())


def _candidates(choice: LayerChoice, inputs: tuple[Any, ...]) -> Iterator[Part]:
    for name in choice.names:
        try:
            shape = f'{_shape(inputs)} to {_shape(choice[name](*inputs))}'
        except Exception:  # needs choices of its own
            continue
        yield Part(choice.label, name, shape, 1, choice[name], inputs)


def _shape(values: Any) -> str:
    if isinstance(values, Tensor):
        return 'x'.join(map(str, values.shape))
    return ', '.join(map(_shape, values)) if isinstance(values, (list, tuple)) else 'other'
