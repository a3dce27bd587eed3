"""The labels that an architecture of any NNI space uses.

NNI freezes a space part by part. Of a `LayerChoice` it takes the layer that is chosen, of a
`Repeat` the first blocks: no label inside the others is ever read. A module that freezes itself in
a way of its own may read all labels that it has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from nni.mutable import Mutable
from nni.nas.nn.pytorch import LayerChoice, MutableModule, Repeat
from torch import nn

from ..typing import Sample, sample_key

__all__ = ['UsedChoices']


class UsedChoices:
    """Writes an architecture without the choices that it does not use.

    Parameters
    ----------
    space
        An NNI model space.

    Examples
    --------
    >>> from nni.nas.nn.pytorch import ModelSpace
    >>> class Net(ModelSpace):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.layers = Repeat(lambda index: LayerChoice(
    ...             [nn.ReLU(), nn.Tanh()], label=f'layer{index}'), (1, 2), label='depth')
    >>> used = UsedChoices(Net())
    >>> used({'depth': 1, 'layer0': 1, 'layer1': 0})
    '{"depth": 1, "layer0": 1}'
    """

    def __init__(self, space: nn.Module):
        self._parts = _parts(space)

    def __call__(self, sample: Sample) -> str:
        """Return the choices that an architecture uses, as `sample_key` writes them.

        Raises
        ------
        ValueError
            If the architecture lacks a label, or a choice is none of the space.
        """
        try:
            return sample_key({label: sample[label] for label in _used(self._parts, sample)})
        except (KeyError, TypeError) as error:
            raise ValueError(f'Expected an architecture of the space, got {sample}: no choice for '
                             f'{error}.') from error


class _Part(Protocol):
    def used(self, sample: Sample) -> Iterable[str]:
        """Return the labels that an architecture uses in this part of the space."""
        ...


@dataclass(frozen=True)
class _All:
    """All labels of a part."""

    labels: frozenset[str]

    def used(self, sample: Sample) -> Iterable[str]:
        return self.labels


@dataclass(frozen=True)
class _Chosen:
    """A label, and those inside of what it chooses."""

    label: str
    branches: Mapping[Any, list[_Part]]

    def used(self, sample: Sample) -> Iterator[str]:
        yield self.label
        yield from _used(self.branches[sample[self.label]], sample)


@dataclass(frozen=True)
class _First:
    """The labels of a number, and those inside of so many blocks."""

    depth: Mutable
    labels: frozenset[str]
    blocks: list[list[_Part]]

    def used(self, sample: Sample) -> Iterator[str]:
        yield from self.labels
        for block in self.blocks[:self.depth.freeze(sample)]:
            yield from _used(block, sample)


def _used(parts: Iterable[_Part], sample: Sample) -> Iterator[str]:
    for part in parts:
        yield from part.used(sample)


def _parts(module: nn.Module) -> list[_Part]:
    """Return the parts of a module in which labels are used or not, by how NNI freezes them."""
    freeze = getattr(type(module), 'freeze', MutableModule.freeze)
    if isinstance(module, LayerChoice) and freeze is LayerChoice.freeze:
        return [_Chosen(module.label, {name: _parts(module[name]) for name in module.names})]
    if isinstance(module, Repeat) and freeze is Repeat.freeze:
        blocks = [_parts(block) for block in module.blocks]
        if not isinstance(module.depth_choice, Mutable):
            return [part for block in blocks for part in block]
        return [_First(module.depth_choice, _labels(module.depth_choice), blocks)]
    if isinstance(module, MutableModule) and (freeze is not MutableModule.freeze
                                              or module.mutables):
        return [_All(_labels(module))]
    return [part for child in module.children() for part in _parts(child)]


def _labels(mutable: Mutable) -> frozenset[str]:
    return frozenset(mutable.simplify())
