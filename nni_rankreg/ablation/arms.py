"""The arms of the rankings: what trains the super-net, and at which cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from ..archive import Archive
from ..predictor import Ensemble
from ..proxy import ProxyScorer
from ..regularizer import EqualCostControl, LandmarkRegularizer, RankingDistillation, Regularizer
from ..sampler import MarginPairSampler, SandwichSampler, UniformSampler
from ..schedule import Schedule
from ..strategy import GDAS, NAO, SPOS, FairNAS
from ..strategy.oneshot import SuperNetStrategy
from ..typing import Results, Scorer
from .evidence import published_evidence

__all__ = ['ARMS', 'VOTE', 'Arm', 'Inputs', 'steps', 'teacher']

MARGIN = 6.7  # of RD-NAS, the mean group distance of two architectures
VOTE = ('naswot', 'synflow', 'jacov', 'flops')


class Inputs(NamedTuple):
    """What the terms of an arm are made from.

    Parameters
    ----------
    setting
        Sizes of networks, data and training.
    seed
        Of pairs and proxies.
    landmarks
        Architectures with their true performance.
    space
        The model space.
    batch
        Training images and labels, which the proxies see.
    cache
        File of the scores of the proxies.
    data
        Folder of the tables.
    """

    setting: dict[str, Any]
    seed: int
    landmarks: Results
    space: Any
    batch: tuple[Tensor, Tensor]
    cache: Path
    data: Path


class Arm(NamedTuple):
    """An arm of the comparison.

    Parameters
    ----------
    terms
        Makes the regularisers.
    passes
        Sub-nets that are trained or compared in a step: in the warm-up of the landmarks, and
        after it. An arm without is trained for all steps of an epoch.
    strategy
        Makes the strategy from its regularisers.
    ranking_batch
        Images of a ranking batch; None is as many as of a training batch.
    epochs
        Factor of the number of epochs.
    """

    terms: Callable[[Inputs], list[Regularizer]] = lambda inputs: []
    passes: tuple[int, int] | None = None
    strategy: Callable[..., SuperNetStrategy] = SPOS
    ranking_batch: int | None = None
    epochs: float = 1.


def landmark(inputs: Inputs, pairs: int = 1, among: str = 'drawn') -> list[Regularizer]:
    """Return landmark regularisation."""
    return [LandmarkRegularizer(
        inputs.landmarks, weight=inputs.setting['weight'], pairs=pairs, among=among,
        seed=inputs.seed, schedule=Schedule(warmup=inputs.setting['warmup']))]


def control(inputs: Inputs, pairs: int = 1) -> list[Regularizer]:
    """Return two more sub-nets a pair in each step in which landmarks would be active."""
    return [EqualCostControl(2 * pairs, schedule=Schedule(warmup=inputs.setting['warmup']))]


def two_more(inputs: Inputs) -> list[Regularizer]:
    """Return two more sub-nets in each step: ranking distillation with a weight of 0."""
    return [EqualCostControl(2, schedule=Schedule('constant', warmup=0))]


def teacher(name: str, inputs: Inputs) -> Scorer:
    """Return a proxy of the super-net's space, on 32 training images.

    Parameters
    ----------
    name
        Of the proxy.
    inputs
        What it is made from.
    """
    return ProxyScorer(name, inputs.space, inputs.batch, seed=inputs.seed,
                       cache=Archive(inputs.cache))


def distillation(inputs: Inputs, name: str = 'naswot', distance: str = 'group',
                 margin: float = MARGIN, **kwargs: Any) -> list[Regularizer]:
    """Return ranking distillation; the distance 'gap' keeps the half that differ most."""
    scorer = teacher(name, inputs)
    sampler = MarginPairSampler(distance if distance != 'gap' else 'hamming', margin,
                                seed=inputs.seed)
    if distance == 'gap':
        scores = scorer(UniformSampler(inputs.space, inputs.seed).distinct(200)).numpy()
        gaps = np.abs(scores[:100] - scores[100:])
        sampler = MarginPairSampler(
            lambda a, b: abs(float(scorer([a])[0] - scorer([b])[0])),
            float(np.nanmedian(gaps)), seed=inputs.seed)
    return [RankingDistillation(scorer, sampler, **kwargs)]


def strong(inputs: Inputs, names: Sequence[str] = VOTE,
           among: str = 'drawn') -> list[Regularizer]:
    """Return distillation with the weight, the schedule and the silence of landmarks.

    Four pairs of 64 images cost as much as one of 256. The sub-nets of the pairs are not trained
    by cross-entropy.
    """
    return [RankingDistillation(
        [teacher(name, inputs) for name in names], MarginPairSampler(seed=inputs.seed), pairs=4,
        among=among, weight=inputs.setting['weight'], cross_entropy=False,
        schedule=Schedule(warmup=inputs.setting['warmup']))]


def learned(inputs: Inputs) -> list[Regularizer]:
    """Return all pairs of four landmarks and four others, which a predictor orders.

    It learns from the landmarks, with the published scores of proxies as evidence. Eight sub-nets
    cost as much as four pairs.
    """
    if 'operations' not in inputs.setting:
        raise ValueError('Expected the arm of a learned teacher with NAS-Bench-201, got another '
                         'space.')
    evidence = published_evidence(inputs.data, inputs.space)
    return [RankingDistillation(
        Ensemble(inputs.space, evidence=evidence, progress=False),
        MarginPairSampler(seed=inputs.seed), pairs=2, landmark_pairs=2,
        landmarks=inputs.landmarks, among='all', weight=inputs.setting['weight'],
        cross_entropy=False, schedule=Schedule(warmup=inputs.setting['warmup']))]


def both(inputs: Inputs) -> list[Regularizer]:
    """Return landmarks and distillation in one super-net."""
    return landmark(inputs, pairs=4) + strong(inputs)


# Those with ``passes`` have as many sub-net passes in an epoch as 'landmark' has on average. Of
# 'nao' the passes that score its pool are not counted.
ARMS = {
    'spos': Arm(),
    'equal-cost': Arm(control),
    'landmark': Arm(landmark),
    'landmark_128': Arm(landmark, ranking_batch=128),
    'landmark_64': Arm(landmark, ranking_batch=64),
    'landmark_32': Arm(landmark, ranking_batch=32),
    # As many sub-net passes in all as 'landmark': the fewer steps, the more passes in a step.
    'spos, longer': Arm(epochs=2.27),
    'two more sub-nets': Arm(two_more, (3, 3)),
    'RD flops': Arm(partial(distillation, name='flops'), (3, 3)),
    'RD synflow': Arm(partial(distillation, name='synflow'), (3, 3)),
    'RD naswot': Arm(distillation, (3, 3)),
    'RD naswot, Hamming': Arm(partial(distillation, distance='hamming', margin=5), (3, 3)),
    'RD naswot, no margin': Arm(partial(distillation, margin=0), (3, 3)),
    'RD naswot, gap': Arm(partial(distillation, distance='gap'), (3, 3)),
    'FairNAS': Arm(passes=(5, 5), strategy=FairNAS),
    'sandwich': Arm(passes=(4, 4), strategy=partial(SPOS, sampler=SandwichSampler)),
    'landmark_64, 4 pairs': Arm(partial(landmark, pairs=4), ranking_batch=64),
    'landmark_64, all pairs of 4': Arm(partial(landmark, pairs=4, among='all'), ranking_batch=64),
    'RD naswot, strong': Arm(partial(strong, names=['naswot']), ranking_batch=64),
    'RD vote, strong': Arm(strong, ranking_batch=64),
    'RD vote, strong, all pairs of 4': Arm(partial(strong, among='all'), ranking_batch=64),
    'landmark + learned teacher, all pairs of 4': Arm(learned, ranking_batch=64),
    'landmark + RD vote, strong': Arm(both, (1, 5), ranking_batch=64),
    **{f'{name}{suffix}': Arm(terms, strategy=strategy, ranking_batch=64)
       for name, strategy in (('gdas', GDAS), ('nao', NAO))
       for suffix, terms in (('', lambda inputs: []), (', equal-cost', partial(control, pairs=4)),
                             (' + landmark', partial(landmark, pairs=4)))},
}


def steps(arm: Arm, setting: dict[str, Any]) -> int:
    """Return the steps of an epoch with which an arm has as many passes as landmarks have.

    Parameters
    ----------
    arm
        One of `ARMS`.
    setting
        Sizes of data and training.

    Raises
    ------
    ValueError
        If the arm trains all operations of a layer and the space has no such layers.
    """
    per_epoch = -(-setting['images'] // setting['batch_size'])
    if arm.passes is None:
        return per_epoch
    warmup = Schedule(warmup=setting['warmup']).warmup_epochs(setting['epochs'])
    active = setting['epochs'] - warmup
    before, after = arm.passes
    if arm.strategy is FairNAS:  # as many as there are operations
        if 'operations' not in setting:
            raise ValueError('Expected the arm FairNAS with NAS-Bench-201, got another space.')
        before = after = setting['operations']
    return round(per_epoch * (warmup + 3 * active) / (before * warmup + after * active))
