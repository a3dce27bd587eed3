"""DARTS: differentiable search over a mixture of all choices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import nni
from nni.nas.evaluator.pytorch import LightningModule
from nni.nas.nn.pytorch import ModelSpace

from ..regularizer import Regularizer, TermContext
from ..supernet.differentiable import DARTSModule
from .differentiable import DifferentiableStrategy

__all__ = ['DARTS']


@nni.trace
class DARTS(DifferentiableStrategy):
    r"""Differentiable search by continuous relaxation.

    Source: Liu, Simonyan and Yang, "DARTS: Differentiable Architecture Search", ICLR 2019. All
    choices are executed, weighted by their probabilities; widths, kernels and other arguments of
    operations as weighted slices of their parameters (Wan et al., "FBNetV2", CVPR 2020), depths as
    weighted outputs (`Mixer`, `WeightedOperation`). Single architectures, such as
    landmarks and those that are scored, are soft, as in Yu et al., "Landmark Regularization", CVPR
    2021: of the n choices of a label the architecture's own weighs :math:`1 / n + \delta`, every
    other one :math:`1 / n - \delta / (n - 1)`.

    Parameters
    ----------
    regularizers
        Ranking terms of the weights' loss.
    delta
        :math:`\delta`, in (0, 1/2]; published are 0.01 to 0.15.
    unrolled
        Whether the architecture's gradient is of second order: that of the held-out loss after the
        step of the weights that follows, by finite differences (`unrolled_gradient`). Four passes
        take the place of one.
    **kwargs
        As of `DifferentiableStrategy` and `SuperNetStrategy`.

    Raises
    ------
    ValueError
        If `delta` is out of range.

    .. note:: Every step executes all choices. On a cell of NNI, an operation on an input weighs as
       much as the product of the weights of both, as with the edge weights of PC-DARTS (Xu et al.,
       ICLR 2020). Its partial channels are left out: they would be other operations, with a part
       of the channels, than those of the user's space. Outputs of several widths are padded by
       zeros. Where such outputs are concatenated, the channels behind a narrow one lie elsewhere
       than in the exported network; there `GDAS` and `SPOS` train what is exported.

    Examples
    --------
    >>> strategy = DARTS(delta=0.05, seed=1)
    >>> # NasExperiment(space, evaluator, strategy).run()
    """

    def __init__(self, regularizers: Sequence[Regularizer] = (), *, delta: float = 0.01,
                 unrolled: bool = False, **kwargs: Any):
        super().__init__(regularizers, **kwargs)
        if not 0 < delta <= 0.5:
            raise ValueError(f'Expected delta in (0, 0.5], got {delta}.')
        self.delta, self.unrolled = delta, unrolled

    def make_module(self, training_module: LightningModule, supernet: ModelSpace,
                    context: TermContext, **options: Any) -> DARTSModule:
        """Return the Lightning module that trains the super-net."""
        return DARTSModule(training_module, delta=self.delta, unrolled=self.unrolled,
                           **self.differentiable_options(supernet), **options)
