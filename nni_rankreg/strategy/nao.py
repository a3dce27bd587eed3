"""NAO: one-shot training on a pool of architectures that gradient ascent extends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import nni
from nni.nas.evaluator.pytorch import LightningModule
from nni.nas.nn.pytorch import ModelSpace

from ..predictor import NAOController
from ..regularizer import Regularizer, TermContext
from ..sampler import PoolSampler
from ..schedule import Schedule
from ..search import ScoredSample
from ..supernet import SuperNetModule
from ..supernet.nao import NAOModule
from ..typing import Scorer
from .oneshot import SuperNetStrategy

__all__ = ['NAO']


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
        Time before the controller first learns: an integer counts epochs, a float in [0, 1) is a
        share of all epochs. A search that trains the super-net further has no warm-up.
    refit_every
        Epochs from one fit of the controller to the next, counted as `warmup` is, but not 0.
    pool_share
        Probability that an architecture is drawn from the pool rather than from the whole space.
    controller
        Makes the controller from the space and a seed; to change it, for example
        ``functools.partial(NAOController, steps=2000)``.
    **kwargs
        As of `SuperNetStrategy`: ``truth``, ``metric``, ``checkpoint_folder``, ``seed`` ...

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
        self.refit_every, self.controller = refit_every, controller
        self.schedule = Schedule('constant', warmup)

    def make_module(self, training_module: LightningModule, supernet: ModelSpace,
                    context: TermContext, **options: Any) -> NAOModule:
        """Return the Lightning module that trains the super-net."""
        pool = PoolSampler(supernet, self.seed, share=self.pool_share, accept=context.accept)
        schedule = self.schedule.without_warmup() if context.warmed_up else self.schedule
        return NAOModule(training_module, pool=pool, first=self.pool,
                         controller=self.controller(supernet, self.seed),
                         proposals=self.proposals, refit_every=self.refit_every,
                         schedule=schedule, **options)

    def search(self, module: SuperNetModule, scorer: Scorer) -> list[ScoredSample]:
        """Return the pool and one more generation of children, best first."""
        assert isinstance(module, NAOModule)
        return module.ranked_pool(scorer)
