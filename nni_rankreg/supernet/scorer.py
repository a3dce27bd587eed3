"""The scores of architectures with the weights they inherit from the super-net."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, Iterable, Sequence

import torch
from torch import Tensor
from tqdm.auto import tqdm

from ..batch_norm import batch_statistics
from ..typing import Sample, metric_sign
from .calibration import calibrate
from .module import SuperNetModule
from .quiet import quiet_loss, quiet_metric

__all__ = ['SuperNetScorer']


class SuperNetScorer:
    """Score architectures by the super-net's weights; a `Scorer`.

    Parameters
    ----------
    module
        The super-net.
    batches
        Validation batches, kept on the device of the super-net.
    metric
        None scores by minus the loss; a name takes that metric of the evaluator's
        `validation_step`, for example ``val_acc``.
    mode
        ``'max'``, or ``'min'`` if `metric` is better the lower it is: scores have its sign changed.
    calibration
        Training batches from which the statistics of batch normalisation are computed anew for
        each architecture. Without them each validation batch is normalised by its own statistics,
        so that scores depend on the size and the composition of the batches.
    progress
        Whether to show a progress bar.

    Raises
    ------
    ValueError
        If there are no batches, or the metric is not logged.
    """

    def __init__(self, module: SuperNetModule, batches: Iterable[Any], *,
                 metric: str | None = None, mode: str = 'max', calibration: Iterable[Any] = (),
                 progress: bool = False):
        self.module, self.metric, self.progress = module, metric, progress
        self._sign = metric_sign(mode)
        self.batches = [module.to_device(batch) for batch in batches]
        self.calibration = [module.to_device(batch) for batch in calibration]
        if not self.batches:
            raise ValueError('Expected at least one validation batch to score on, got none.')

    @torch.no_grad()
    def __call__(self, samples: Sequence[Sample]) -> Tensor:
        """Return the scores of `samples`, shape (N,), higher is better."""
        training = self.module.training
        self.module.eval()
        try:
            with nullcontext() if self.calibration else batch_statistics(self.module):
                scores = self.module.ranks.shared(self._score, samples, lambda part: tqdm(
                    part, 'Scoring', disable=not self.progress, leave=False))
                return torch.tensor(scores, dtype=torch.float64)
        finally:
            self.module.train(training)

    def _score(self, sample: Sample) -> float:
        self.module.activate(sample)
        if self.calibration:
            calibrate(self.module, [batch[0] for batch in self.calibration])
        scores = [self._batch_score(batch) for batch in self.batches]
        sizes = [_batch_size(batch) for batch in self.batches]
        return sum(score * size for score, size in zip(scores, sizes)) / sum(sizes)

    def _batch_score(self, batch: Any) -> float:
        if self.metric is None:
            return -quiet_loss(self.module.training_module, batch).item()
        return self._sign * quiet_metric(self.module.training_module, batch, self.metric).item()


def _batch_size(batch: Any) -> int:
    """Return the number of examples: the length of the first tensor of the batch."""
    while not isinstance(batch, Tensor):
        batch = next(iter(batch.values() if isinstance(batch, dict) else batch))
    return len(batch)
