"""The super-net of neural architecture optimisation: its pool grows by what a controller learns.

Before an epoch in which it is due, the super-net scores the whole pool, the controller is fitted
anew to the scores, and the children of the best join the pool. As each fit starts anew, the pool
and the state of the sampler's generator are all that a training has to remember.
"""

from __future__ import annotations

import logging
import math
from typing import Any

from nni.nas.evaluator.pytorch import LightningModule

from ..predictor import NAOController
from ..sampler import PoolSampler
from ..schedule import Schedule
from ..search import ScoredSample, best_first, score_samples
from ..typing import Sample, Scorer
from .module import SuperNetModule

__all__ = ['NAOModule']

_logger = logging.getLogger(__name__)


class NAOModule(SuperNetModule):
    """Super-net that is trained on a pool of architectures.

    Parameters
    ----------
    training_module
        Lightning module of the evaluator.
    *args, **kwargs
        As of `SuperNetModule`.
    pool
        Draws from the pool.
    first
        Number of random architectures in the first pool.
    controller
        Learns the scores of the pool, and proposes children.
    proposals
        Number of best architectures of the pool each of which may have a child.
    refit_every
        Epochs from one time the controller learns to the next; a float is a share of all epochs.
    schedule
        Its warm-up is that before the controller first learns.

    Raises
    ------
    ValueError
        If the space has too few architectures for the pool.
    """

    def __init__(self, training_module: LightningModule, *args: Any, pool: PoolSampler, first: int,
                 controller: NAOController, proposals: int, refit_every: int | float,
                 schedule: Schedule, **kwargs: Any):
        super().__init__(training_module, *args, sampler=pool, **kwargs)
        self.pool, self.controller, self.proposals = pool, controller, proposals
        self.refit_every, self.schedule = refit_every, schedule
        self._first = pool.distinct(first)

    def draw(self) -> Sample:
        """Return an architecture drawn as in training, from the pool."""
        return self.paths()[0]

    def learns(self, epoch: int, epochs: int) -> bool:
        """Return whether the controller learns before an epoch, which is counted from 0."""
        every = self.refit_every
        if isinstance(every, float):
            every = max(1, round(every * epochs))
        active = epoch - self.schedule.warmup_epochs(epochs)
        return active >= 0 and active % every == 0

    def on_train_epoch_start(self) -> None:
        """Let the pool grow if it is time; Lightning calls this."""
        if self.learns(self.trainer.current_epoch, self.epochs):
            self.next_generation(self.probe.scorer(self))
        super().on_train_epoch_start()

    def next_generation(self, scorer: Scorer) -> list[ScoredSample]:
        """Score the pool, teach the controller, and add children; return the scored pool.

        Parameters
        ----------
        scorer
            The super-net.
        """
        pool = self.pool.pool or self._first
        scored = score_samples(pool, scorer)
        if not any(math.isfinite(one.score) for one in scored):
            raise self.watch.error('scores', f'none of the pool of {len(pool)}', self.when)
        self.controller.fit(scored, [one.score for one in scored])
        ranked = best_first(scored)
        children = self.controller.propose(ranked[:self.proposals], exclude=pool,
                                           accept=self.accept)
        self.pool.pool = [*pool, *children]
        _logger.info('Of a pool of %d the best score is %.4g; %d children join it.', len(pool),
                     ranked[0].score, len(children))
        return scored

    def ranked_pool(self, scorer: Scorer) -> list[ScoredSample]:
        """Return the pool and one more generation of children, best first."""
        scored = self.next_generation(scorer)
        return best_first([*scored, *score_samples(self.pool.pool[len(scored):], scorer)])
