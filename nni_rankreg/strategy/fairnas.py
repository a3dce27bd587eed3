"""FairNAS: single-path one-shot with strict fairness."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import nni

from ..regularizer import Regularizer
from ..sampler import FairSampler
from .spos import SPOS

__all__ = ['FairNAS']


@nni.trace
class FairNAS(SPOS):
    """Every choice of every label is trained once in each step; otherwise as `SPOS`.

    Source: Chu, Zhang and Xu, "FairNAS: Rethinking Evaluation Fairness of Weight Sharing Neural
    Architecture Search", ICCV 2021.

    Parameters
    ----------
    regularizers
        Ranking terms of the training loss.
    **kwargs
        As of `SPOS`.

    .. note:: A step trains as many architectures as the label with most choices has, five on
       NAS-Bench-201, and costs as much; compare at equal cost.

    Examples
    --------
    >>> strategy = FairNAS(seed=1)
    >>> # NasExperiment(space, evaluator, strategy).run()
    """

    def __init__(self, regularizers: Sequence[Regularizer] = (), **kwargs: Any):
        super().__init__(regularizers, sampler=FairSampler, **kwargs)
