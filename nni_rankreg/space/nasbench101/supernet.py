"""The cell of NAS-Bench-101 in a super-net of NNI's path sampling."""

from __future__ import annotations

from typing import Any

import torch
from nni.nas.oneshot.pytorch.supermodule.base import BaseSuperNetModule
from torch import nn

from ...typing import Sample
from .cell import SearchedCell

__all__ = ['PathSamplingCell101']


class PathSamplingCell101(SearchedCell, BaseSuperNetModule):
    """A cell that NNI switches from one architecture to the next."""

    @classmethod
    def mutate(cls, module: nn.Module, name: str, memo: dict[str, Any],
               mutate_kwargs: dict[str, Any]) -> PathSamplingCell101 | None:
        """Return the form of a searched cell in a super-net, with its weights; NNI's hook."""
        if type(module) is not SearchedCell:
            return None
        with torch.device('meta'):  # the weights are taken over
            cell = cls(module.in_channels, module.out_channels, **module.norm)
        cell.projections, cell.operations = module.projections, module.operations
        return cell

    def resample(self, memo: Sample) -> Sample:
        """Switch to the architecture in `memo`, or to a random one if `memo` has none."""
        sample = self.export(memo)
        self.activate(sample)
        return sample

    def export(self, memo: Sample) -> Sample:
        """Return a random architecture unless `memo` has one."""
        sample = {label: memo[label] for label in self.constraint.labels if label in memo}
        if len(sample) < len(self.constraint.labels):
            self.constraint.random(sample)
        return sample
