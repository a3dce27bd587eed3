"""Batch normalisations without weights, of which NNI takes slices nevertheless."""

from __future__ import annotations

from typing import Any

from nni.nas.oneshot.pytorch.supermodule.operation import MixedBatchNorm2d
from torch import Tensor

__all__ = ['AnyBatchNorm2d']


class AnyBatchNorm2d(MixedBatchNorm2d):
    """NNI's batch normalisation, with ``affine=False``, too; a one-shot hook is its `mutate`."""

    def freeze_weight(self, num_features: int, **kwargs: Any) -> dict[str, Tensor | None]:
        """Return the slice of each parameter and buffer, None where there is none."""
        every = {name: getattr(self, name)
                 for name in ('weight', 'bias', 'running_mean', 'running_var')}
        return {name: None if one is None else one[:num_features] for name, one in every.items()}
