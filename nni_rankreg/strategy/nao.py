"""NAO: one-shot training on a pool of architectures that gradient ascent extends.

Before an epoch in which it is due, the super-net scores the whole pool, the controller is fitted
anew to the scores, and the children of the best join the pool; the answer is the pool and one more
generation. As each fit starts anew, the pool and the state of the sampler's generator are all that
a training has to remember.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from typing import Any

import nni
from nni.nas.evaluator.pytorch import LightningModule
from nni.nas.nn.pytorch import ModelSpace

from ..predictor import NAOController
from ..regularizer import Regularizer
from ..sampler import PoolSampler
from ..schedule import Schedule
from ..search import ScoredSample, best_first
from ..supernet import SuperNetModule, SuperNetScorer
from ..typing import Results, Sample
from .oneshot import SuperNetStrategy

__all__ = ['NAO']

_logger = logging.getLogger(__name__)


class NAOModule(SuperNetModule):
    """The super-net; its pool of architectures is looked after before each epoch.

    Parameters
    ----------
    before_epoch
        Called with the epoch, from 0, and the number of epochs.
    *args, **kwargs
        As of `SuperNetModule`.
    """

    def __init__(self, *args: Any, before_epoch: Callable[[int, int], None], **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._before_epoch = before_epoch

    def on_train_epoch_start(self) -> None:
        """Look after the pool; Lightning calls this."""
        self._before_epoch(self.trainer.current_epoch, self.epochs)
        super().on_train_epoch_start()

    def draw(self) -> Sample:
        """Return an architecture drawn as in training, from the pool."""
        return self.paths()[0]


@nni.trace
class NAO(SuperNetStrategy):
    """Neural architecture optimisation on a super-net.

    After a warm-up with random architectures the super-net is trained on a pool. Every few epochs
    the super-net scores all of the pool, the controller learns from the scores, and the children
    of the best, by gradient ascent, join the pool. The answer is the pool with one more
    generation of children, scored by the trained super-net.

    Source: Luo et al., "Neural Architecture Optimization", NeurIPS 2018, Algorithm 1 and Section
    3.4 on weight sharing; sizes after Yu et al., CVPR 2021.

    Parameters
    ----------
    regularizers
        Ranking terms of the training loss.
    pool
        Number of random architectures in the first pool.
    proposals
        Number of best architectures of the pool each of which may have a child.
    warmup
        Before the controller first learns: an integer counts epochs; a float in [0, 1) is a share
        of all. There is none if a search trains the super-net further.
    refit_every
        Epochs from one time the controller learns to the next, counted likewise, but not 0.
    pool_share
        Probability that an architecture is drawn from the pool rather than from the whole space.
    controller
        Makes the controller from the space and a seed; to change it, for example
        ``functools.partial(NAOController, steps=2000)``.
    **kwargs
        As of `SuperNetStrategy`: ``truth``, ``metric``, ``checkpoint_folder``, ``seed`` ...

    Attributes
    ----------
    path_sampler, controller
        Hold the pool, and what has been learned of it.

    Raises
    ------
    ValueError
        If a number is out of range, or the space has too few architectures for the pool.

    .. note:: The published code scores each architecture on one batch, pairs each score with the
       architecture before the right one, and adds random architectures in every generation. Here
       a score is that of the validation data, and a `pool_share` below 1 brings in random ones.

    Examples
    --------
    >>> strategy = NAO(pool=50, proposals=25, seed=1)
    >>> # NasExperiment(space, evaluator, strategy).run()
    """

    def __init__(self, regularizers: Sequence[Regularizer] = (), *, pool: int = 100,
                 proposals: int = 100, warmup: int | float = 0.25,
                 refit_every: int | float = 0.1, pool_share: float = 1.,
                 controller: Callable[[ModelSpace, int], NAOController] = NAOController,
                 **kwargs: Any):
        super().__init__(regularizers, **kwargs)
        if pool < 2 or proposals < 1:
            raise ValueError('Expected a pool of at least 2 architectures and at least 1 proposal, '
                             f'got {pool} and {proposals}.')
        if refit_every <= 0 or (isinstance(refit_every, float) and refit_every >= 1):
            raise ValueError('Expected refit_every to be an integer >= 1 (epochs) or a float in '
                             f'(0, 1) (share of all epochs), got {refit_every!r}.')
        self.pool, self.proposals, self.pool_share = pool, proposals, pool_share
        self.refit_every, self.make_controller = refit_every, controller
        self.schedule = Schedule('constant', warmup)

    def mutate_model(self, model: ModelSpace) -> ModelSpace:
        """Turn a space into a super-net, in place, after all who need to have looked at it."""
        self.controller = self.make_controller(model, self.seed)
        self.path_sampler = PoolSampler(model, self.seed, share=self.pool_share,
                                        accept=self.filter)
        self._seeds = self.path_sampler.distinct(self.pool)  # now: the space may be too small
        return super().mutate_model(model)

    def make_module(self, training_module: LightningModule, **options: Any) -> NAOModule:
        """Return the Lightning module that trains the super-net."""
        return NAOModule(training_module, sampler=self.path_sampler,
                         before_epoch=self._before_epoch, **options)

    def search(self, scorer: SuperNetScorer) -> list[ScoredSample]:
        """Return the pool and one more generation of children, best first."""
        scored = self._next_generation(scorer)
        scored += _scored(self.path_sampler.pool[len(scored):], scorer)
        return best_first(scored)

    def _before_epoch(self, epoch: int, epochs: int) -> None:
        every = self.refit_every
        if isinstance(every, float):
            every = max(1, round(every * epochs))
        active = epoch - self.schedule.warmup_epochs(epochs)
        if active >= 0 and active % every == 0:
            self._next_generation(self.scorer())

    def _next_generation(self, scorer: SuperNetScorer) -> list[ScoredSample]:
        """Score the pool, teach the controller, and add children; return the scored pool."""
        pool = self.path_sampler.pool or self._seeds
        scored = _scored(pool, scorer)
        self.controller.fit(scored, [one.score for one in scored])
        ranked = best_first(scored)
        children = self.controller.propose(ranked[:self.proposals], exclude=pool,
                                           accept=self.filter)
        self.path_sampler.pool = [*pool, *children]
        _logger.info('Of a pool of %d the best score is %.4g; %d children join it.', len(pool),
                     ranked[0].score, len(children))
        return scored

    def train(self, space: Any, evaluator: Any, results: Results | None = None, *,
              weights: str | None = None) -> SuperNetModule:
        """Train a super-net in this process; parameters as of `SPOS.train`."""
        if weights is not None:
            self.schedule = self.schedule.without_warmup()
        return super().train(space, evaluator, results, weights=weights)


def _scored(samples: Sequence[Sample], scorer: SuperNetScorer) -> list[ScoredSample]:
    scores = scorer(samples)
    scores[scores.isnan()] = -math.inf  # a loss that overflows is the worst
    return [ScoredSample(sample, score) for sample, score in zip(samples, scores.tolist())]
