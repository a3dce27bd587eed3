"""The encoder of networks that are a chain of blocks."""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import torch
from nni.mutable import LabeledMutable, Mutable, MutableSymbol
from torch import Tensor

from ..typing import Sample, Space
from .choice import Column
from .graph import Graphs, NodeFeatures, choice_indices

__all__ = ['Block', 'ChainEncoder']


class Block(NamedTuple):
    """A block of a chain."""

    choices: Mapping[str, Sequence[Hashable]]
    """Label -> choices; the first labels of all blocks mean the same, so do the second ..."""
    stage: int = 0
    """Stage of the network."""
    depth: str | None = None
    """Label of the number of blocks of the stage, if it varies; its choices are integers."""
    place: int = 0
    """Place in the stage, from 0; a block exists if its place is below the depth."""


class ChainEncoder:
    """Networks that are a chain of blocks, such as ProxylessNAS or ResNet-48.

    A node for each block that exists, with its choices and its stage, one-hot; an edge to the next.

    Parameters
    ----------
    blocks
        All blocks that may exist, in the order of the network.
    skip
        Choices of a block's first label that leave the block out.
    extras
        Further choices, of the whole network: they become hyper-parameter features.

    Raises
    ------
    ValueError
        If there is no block, or blocks differ in their number of labels.

    Examples
    --------
    >>> blocks = [Block({f'op{i}': ['k3', 'k5', 'skip']}, stage=i // 2) for i in range(4)]
    >>> graphs = ChainEncoder(blocks, skip=['skip'])(
    ...     [{'op0': 'k5', 'op1': 'skip', 'op2': 'k3', 'op3': 'k3'}])
    >>> graphs.mask[0, 0].tolist(), graphs.features[0, 0, 0].tolist()   # k3, k5, stage 0, stage 1
    ([True, True, True, False], [0.0, 1.0, 1.0, 0.0])
    """

    def __init__(self, blocks: Sequence[Block], skip: Collection[Hashable] = (),
                 extras: Sequence[LabeledMutable] = ()):
        if len({len(block.choices) for block in blocks}) != 1:
            raise ValueError('Expected blocks with the same number of labels, got '
                             f'{[list(block.choices) for block in blocks]}.')
        self.blocks = list(blocks)
        first, *others = zip(*(block.choices.items() for block in blocks))
        self._roles = [_Role(dict(first), skip), *(_Role(dict(role)) for role in others)]
        stages = sorted({block.stage for block in blocks})
        self._stages = torch.eye(len(stages))[[stages.index(block.stage) for block in blocks]]
        self._extras = list(map(Column, extras))
        self.node_features = NodeFeatures((
            *(f'{name} as choice {number}' if number else name
              for number, role in enumerate(self._roles) for name in role.names),
            *(f'stage {stage}' for stage in stages)))

    def __call__(self, samples: Sequence[Sample]) -> Graphs:
        """Return a chain for each architecture, padded at its end."""
        choices = [role.encode(samples) for role in self._roles]
        present = choices[0].any(dim=-1) & self._within_depth(samples)
        features = torch.cat([*choices, self._stages.expand(len(samples), -1, -1)], dim=-1)
        order = present.int().argsort(dim=1, descending=True, stable=True)
        mask = present.gather(1, order)
        features = features.take_along_dim(order[..., None], 1) * mask[..., None]
        following = torch.diag(torch.ones(len(self.blocks) - 1), 1)
        edges = following * mask[:, None, :] * mask[:, :, None]
        extras = [column.encode(samples) for column in self._extras]
        return Graphs(features[:, None], edges[:, None], mask[:, None],
                      torch.cat([torch.zeros(len(samples), 0), *extras], dim=1))

    def _within_depth(self, samples: Sequence[Sample]) -> Tensor:
        try:
            return torch.tensor([[b.depth is None or sample[b.depth] > b.place
                                  for b in self.blocks] for sample in samples],
                                dtype=torch.bool).reshape(len(samples), len(self.blocks))
        except (KeyError, TypeError) as error:
            raise ValueError(f'Expected architectures with the depths of their stages, got '
                             f'none for {error}.') from None

    @classmethod
    def from_space(cls, space: Space) -> ChainEncoder:
        """Return the encoder of a space with blocks ``s{stage}_i{index}``, as the hub names them.

        These are `ProxylessNAS` and ResNet-48 for example. The number of blocks of a stage is
        ``s{stage}_depth``, where it varies; a block may have the choice ``skip``. Other labels
        become hyper-parameter features. A space without such blocks raises a ValueError.
        """
        leaves = space.simplify() if isinstance(space, Mutable) else space
        found = {label: re.fullmatch(r's(\d+)_i(\d+)', label) for label in leaves}
        blocks, depths = [], set()
        for label, match in found.items():
            if match:
                depth = f's{match[1]}_depth'
                blocks.append(Block({label: leaves[label].values}, int(match[1]),
                                    depth if depth in leaves else None, int(match[2])))
                depths.add(depth)
        if not blocks:
            raise ValueError('Expected labels such as s2_i0 and s2_depth, got '
                             f'{sorted(leaves)}; ChoiceEncoder takes any space.')
        rest = [leaf for label, leaf in leaves.items()
                if not found[label] and label not in depths and isinstance(leaf, MutableSymbol)]
        return cls(blocks, skip=['skip'], extras=rest)


class _Role:
    """What one label of each block stands for, such as its operation.

    Parameters
    ----------
    choices
        Label of each block -> its choices.
    skip
        Choices without a feature.
    """

    def __init__(self, choices: Mapping[str, Sequence[Hashable]],
                 skip: Collection[Hashable] = ()):
        names = dict.fromkeys(chain.from_iterable(choices.values()))
        kept = {name: row for row, name in enumerate(name for name in names if name not in skip)}
        self.names = list(map(str, kept))
        self._rows = torch.eye(len(kept) + 1)[:, :-1]      # the last row is that of `skip`
        self._indices = {label: {name: kept.get(name, len(kept)) for name in values}
                         for label, values in choices.items()}

    def encode(self, samples: Sequence[Sample]) -> Tensor:
        """Return the choices of the blocks, one-hot, shape (N, blocks, features)."""
        return self._rows[choice_indices(samples, self._indices)]
