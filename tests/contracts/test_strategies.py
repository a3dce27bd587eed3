"""What every strategy of super-nets promises: it is a recipe, which keeps nothing of a training.

A new one is a line in `STRATEGIES`; one that is missing there is found.
"""

from __future__ import annotations

import inspect
import itertools
import math
from functools import partial

import cloudpickle
import nni
import pytest
import torch
from helpers.members import add_member, members
from helpers.spaces import Tiny

from nni_rankreg import strategy as room
from nni_rankreg.constraint import AdditiveLatency, Between
from nni_rankreg.data import HeldOut
from nni_rankreg.predictor import NAOController
from nni_rankreg.regularizer import EqualCostControl, LandmarkRegularizer, RankingDistillation
from nni_rankreg.sampler import MarginPairSampler, UniformSampler
from nni_rankreg.schedule import Schedule
from nni_rankreg.search import Evolution, ParetoFront
from nni_rankreg.strategy import DARTS, GDAS, NAO, SPOS, FairNAS
from nni_rankreg.strategy.differentiable import DifferentiableStrategy
from nni_rankreg.strategy.oneshot import SuperNetStrategy
from nni_rankreg.supernet import Scoring, TrainedSuperNet
from nni_rankreg.typing import Results, sample_key

SMALL = Evolution(4, 8, 2, progress=False)
ALWAYS = Schedule('constant', warmup=0)
SAMPLES = UniformSampler(Tiny(), seed=8).distinct(8)
TRUTH = Results(SAMPLES, [0.1 * index for index in range(8)])
STRATEGIES = {
    'SPOS': partial(SPOS, evolution=SMALL),
    'FairNAS': partial(FairNAS, evolution=SMALL),
    'GDAS': partial(GDAS, candidates=6, arc_learning_rate=.1, temperature=(5., 1.)),
    'DARTS': partial(DARTS, candidates=6, arc_learning_rate=.1, delta=0.1),
    'NAO': partial(NAO, pool=5, proposals=3, warmup=0, pool_share=0.7,
                   controller=partial(NAOController, steps=10, width=16)),
}
every_strategy = pytest.mark.parametrize('make', STRATEGIES.values(), ids=STRATEGIES)


def regularizers():
    """Return one of each kind, all of which act in the first epoch."""
    return [LandmarkRegularizer(Results(SAMPLES[:3], [.3, .2, .1]), schedule=ALWAYS),
            RankingDistillation('naswot', MarginPairSampler('hamming', 2), schedule=ALWAYS),
            EqualCostControl(1, schedule=ALWAYS)]


def full(make, **kwargs):
    """Return a strategy with all that belongs to its trainings."""
    return make(regularizers(), **{'truth': TRUTH, 'held_out': HeldOut(batch_size=6), 'seed': 4,
                                   'metric': 'val_acc', 'scoring': Scoring(batches=1),
                                   'filter': accept, **kwargs})


def accept(sample):
    return sample['layer0'] != sample['layer1']


def odd(sample):
    return sample['layer2'] != sample['layer3']


@pytest.fixture
def train(make_evaluator, make_loader):
    """Return a function that trains a fresh super-net by a strategy, with a fresh evaluator."""
    def run(strategy, **kwargs):
        torch.manual_seed(0)
        evaluator = make_evaluator(make_loader(28, 8, shuffle=True), max_epochs=2)
        return strategy.train(Tiny(), evaluator, **kwargs)
    return run


def outcome(trained):
    """Return all that a training has given: weights, measurements and the ranking."""
    return ({name: value.tolist() for name, value in trained.module.state_dict().items()},
            trained.history, trained.measured, [(dict(one), one.score) for one in trained.best()])


def missing():
    bases = SuperNetStrategy, DifferentiableStrategy
    return (members(room, lambda one: inspect.isclass(one) and issubclass(one, SuperNetStrategy)
                    and one not in bases).keys() ^ STRATEGIES.keys())


def test_none_is_missing(monkeypatch):
    assert not missing()
    add_member(monkeypatch, room.spos, 'Other', type('Other', (SPOS,), {}))
    assert missing() == {'Other'}


@pytest.mark.slow
@every_strategy
def test_used_again_it_gives_the_same_as_fresh_ones(make, train, tmp_path):
    """Between two trainings is one with results and from the weights of the first.

    The super-nets are searched when all are trained, and the fresh ones have travelled in a job.
    The best are different, and in order, and the filter accepts them.
    """
    used = full(make)
    before, names = cloudpickle.dumps(vars(used)), list(vars(used))
    trained = [train(used)]
    torch.save(trained[0].supernet.state_dict(), tmp_path / 'weights.pt')
    further = {'results': Results(SAMPLES[5:], [.1, .2, .3]),
               'weights': str(tmp_path / 'weights.pt')}
    trained += [train(used, **further), train(used)]
    first, between, second = map(outcome, trained)
    assert list(vars(used)) == names and cloudpickle.dumps(vars(used)) == before
    assert used.trained is None
    assert first == second == outcome(train(nni.load(nni.dump(full(make)))))
    assert between == outcome(train(nni.load(nni.dump(full(make))), **further)) != first
    assert [one['metrics'] for _, _, one, _ in (first, between)] == [
        TRUTH.metrics[3:], TRUTH.metrics[3:5]]  # no landmark, and nothing known
    scores = [score for _, score in first[3]]
    assert scores == sorted(scores, reverse=True) and len(scores) > 2
    assert len({sample_key(one) for one, _ in first[3]}) == len(scores)
    assert all(accept(one) for one, _ in first[3])


@every_strategy
def test_a_trained_super_net(make, train):
    """It knows its epochs, its best and how to score them; another seed gives another one."""
    first, other = (train(full(make, seed=seed, metric=None)) for seed in (4, 5))
    assert isinstance(first, TrainedSuperNet)
    (weights, *_, ranking), (other_weights, *_, other_ranking) = outcome(first), outcome(other)
    assert weights != other_weights and ranking != other_ranking
    assert [one['epoch'] for one in first.history] == [0, 1]
    assert all(math.isfinite(one['default']) for one in first.history)
    assert first.measured.keys() == {'scores', 'metrics'}
    best = first.best(2)
    assert best == first.best()[:2] and first.best(exclude=best) == first.best()[2:]
    assert first.scorer()(best).tolist() == pytest.approx([one.score for one in best])
    leaves = Tiny().simplify()
    assert all(one.keys() == leaves.keys() and leaf.contains(dict(one))
               for one in first.best() for leaf in leaves.values())


@every_strategy
def test_filter_and_constraints_hold_for_all_that_is_drawn(make, train):
    """Alone, as several, and as those of a search beside a filter: also for what is returned."""
    for filter, of_search, holds in ((accept, None, True), ([accept, odd], None, True),
                                     (odd, accept, True), (None, None, False)):
        trained = train(make(filter=filter, seed=1), accept=of_search)
        module = trained.module
        drawn = [one for _ in range(20) for one in (module.draw(), *module.paths())]
        assert all(map(accept, drawn)) is holds
        if filter is not accept and holds:
            assert all(map(odd, drawn))
        assert not holds or all(map(accept, trained.best()))


@every_strategy
def test_a_front_in_place_of_the_search(make, train):
    """Its members are models with all objectives and their weights, in order."""
    milliseconds = {'conv_3x3': 3., 'conv_1x1': 2., 'pool': 1., 'skip': 0.}
    slow = AdditiveLatency(dict.fromkeys(Tiny().simplify(), milliseconds), base=1.)
    front = ParetoFront(['score', slow], 6, 24, progress=False)
    trained = train(make(filter=accept, seed=1, evolution=front))
    models = list(trained.models())
    assert len(models) > 1 and all(accept(model.sample) for model in models)
    objectives = [model.objectives for model in models]
    assert [one['latency'] for one in objectives] == slow(
        [model.sample for model in models]).tolist()
    assert [one['score'] for one in objectives] == pytest.approx(
        trained.scorer()([model.sample for model in models]).tolist())
    for better, worse in itertools.pairwise(objectives):
        assert better['score'] >= worse['score'] and better['latency'] >= worse['latency']
    assert [model.metric for model in models] == [one['score'] for one in objectives]


def test_a_front_by_a_loss(train):
    """The lowest losses at their cost, against enumeration: the score is minus the loss."""
    def skipped(samples):
        return torch.tensor([list(one.values()).count('skip') for one in samples])

    front = ParetoFront(['score', skipped], 50, 256, progress=False)
    trained = train(SPOS(metric='val_loss', mode='min', evolution=front))
    every = UniformSampler(Tiny()).up_to(256)
    points = list(zip((-trained.scorer()(every)).tolist(), skipped(every).tolist()))
    wanted = [(loss, cost) for loss, cost in points if not any(
        other <= loss and less <= cost and (other, less) != (loss, cost) for other, less in points)]
    found = [(-one.score, one.costs['skipped']) for one in trained.best(256)]
    assert found == sorted(wanted) and found[0][0] > 0 and len(every) == 256
    assert len(found) == len({cost for _, cost in found})


@every_strategy
def test_a_bound_that_nothing_meets_is_told_before_the_training(make, make_evaluator):
    size = Between(lambda samples: torch.tensor([float(len(one)) for one in samples]), maximum=0)
    strategy = make(filter=[size, accept])
    for call in (strategy.check, strategy.train):
        with pytest.raises(ValueError, match=r'accepted by Between\(-inf, 0\), numbers found from '
                                             r'\d to \d and by .*, got none in 10000 draws'):
            call(Tiny(), make_evaluator())
