"""GDAS: differentiable search that executes one sampled operation of each edge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import nni
from nni.nas.evaluator.pytorch import LightningModule
from nni.nas.nn.pytorch import ModelSpace

from ..regularizer import Regularizer, TermContext
from ..supernet.differentiable import GDASModule
from .differentiable import DifferentiableStrategy

__all__ = ['GDAS']


@nni.trace
class GDAS(DifferentiableStrategy):
    """Differentiable search with a hard Gumbel-softmax, one executed choice for each label.

    Source: Dong and Yang, "Searching for a Robust Neural Architecture in Four GPU Hours", CVPR
    2019. The weights are trained on a drawn path, as in `SPOS`, at its cost. In the step of the
    architecture the output of each drawn choice is multiplied by its straight-through weight,
    which is 1. Narrower slices of a drawn width, smaller kernels in the middle of a drawn one and
    lesser depths are executed with it: these choices weigh 0, and have a gradient, too. Choices
    larger than the drawn one count as the drawn one. Landmarks are discrete paths.

    Parameters
    ----------
    regularizers
        Ranking terms of the weights' loss.
    temperature
        Of the Gumbel-softmax in the first and in the last epoch that trains the architecture,
        linear between these; a single number holds for all epochs.
    **kwargs
        As of `DifferentiableStrategy` and `SuperNetStrategy`.

    Raises
    ------
    ValueError
        If a temperature is not positive.

    .. note:: The published code of landmark regularisation lets the temperature fall below 0 after
       35 epochs, where the least likely choice is drawn, and draws anew for every cell of
       NAS-Bench-201; here cells with the same labels always are one architecture. NNI's
       `GumbelDARTS` executes all choices.

    Examples
    --------
    >>> strategy = GDAS(candidates=50, seed=1)
    >>> # NasExperiment(space, evaluator, strategy).run()
    """

    paths_only = True

    def __init__(self, regularizers: Sequence[Regularizer] = (), *,
                 temperature: float | tuple[float, float] = (10., 0.1), **kwargs: Any):
        super().__init__(regularizers, **kwargs)
        pair = temperature if isinstance(temperature, (tuple, list)) else (temperature,) * 2
        if len(pair) != 2 or not all(isinstance(one, (int, float)) and one > 0 for one in pair):
            raise ValueError('Expected a temperature above 0, or two, of the first and of the last '
                             f'epoch, got {temperature}.')
        self.temperature = float(pair[0]), float(pair[1])

    def make_module(self, training_module: LightningModule, supernet: ModelSpace,
                    context: TermContext, **options: Any) -> GDASModule:
        """Return the Lightning module that trains the super-net."""
        return GDASModule(training_module, temperature=self.temperature,
                          **self.differentiable_options(supernet), **options)
