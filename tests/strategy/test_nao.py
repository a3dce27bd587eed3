"""NAO on tiny super-nets: what is scored, learned, drawn and returned."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import pytest
import torch
from nni.nas.experiment import NasExperiment
from nni.nas.experiment import experiment as nni_experiment
from nni.nas.experiment.config import NasExperimentConfig
from nni.tools.nnictl.config_utils import Experiments

from nni_rankreg.predictor import NAOController
from nni_rankreg.regularizer import EqualCostControl, LandmarkRegularizer
from nni_rankreg.sampler import SandwichSampler, UniformSampler
from nni_rankreg.schedule import Schedule
from nni_rankreg.search import ScoredSample
from nni_rankreg.space import NasBench201
from nni_rankreg.strategy import NAO, LandmarkSearch
from nni_rankreg.supernet.nao import NAOModule
from nni_rankreg.table import TableEvaluator, TabularBenchmark
from nni_rankreg.typing import Results, sample_key

ALWAYS = Schedule('constant', warmup=0)
SAMPLES = UniformSampler(NasBench201(4, 1, 10), seed=8).distinct(6)
LANDMARKS = Results(SAMPLES, [0.1 * index for index in range(6)])
SMALL = dict(pool=6, proposals=4, controller=partial(NAOController, steps=10, width=16))


class Lesson:
    """What a controller has been taught, in place of one."""

    def __init__(self, controller):
        self.controller, self.lessons, self.children = controller, [], []

    def fit(self, samples, targets):
        self.lessons.append((list(samples), list(targets)))
        self.controller.fit(samples, targets)

    def propose(self, parents, **kwargs):
        self.children.append(self.controller.propose(parents, **kwargs))
        self.parents = parents
        return self.children[-1]


def watched(strategy):
    """Let a strategy note what it teaches, and what it trains in each epoch."""
    make, controller = strategy.make_module, strategy.controller

    def made(*args, **options):
        module = make(*args, **options)
        paths, module.drawn = module.paths, {}

        def noted():
            drawn = paths()
            module.drawn.setdefault(module.trainer.current_epoch, []).extend(drawn)
            return drawn
        module.paths = noted
        return module

    strategy.controller = lambda space, seed: Lesson(controller(space, seed))
    strategy.make_module = made
    return strategy


@pytest.fixture
def train(make_space, make_evaluator):
    """Return a function that trains a super-net by a strategy, without an experiment."""
    def run(strategy, epochs=4, name='NasBench201', **kwargs):
        options = {key: kwargs.pop(key) for key in ('weights', 'results') if key in kwargs}
        return strategy.train(make_space(name), make_evaluator(max_epochs=epochs, **kwargs),
                              **options)
    return run


# Experiments

@pytest.mark.slow
@pytest.mark.parametrize('regularizers', [(), (LandmarkRegularizer(LANDMARKS, schedule=ALWAYS),)])
def test_experiment(regularizers, make_space, make_evaluator, run_experiment):
    space, strategy = make_space(), NAO(regularizers, refit_every=1, **SMALL)
    experiment = run_experiment(space, make_evaluator(max_epochs=2), strategy)
    best = experiment.export_top_models(5, formatter='dict')
    assert len({sample_key(one) for one in best}) == 5
    assert all(isinstance(one, ScoredSample) and space.contains(one) for one in best)
    scores = [one.score for one in best]
    assert scores == sorted(scores, reverse=True)
    trained = strategy.trained
    assert trained.scorer()(best).tolist() == pytest.approx(scores)
    assert trained.best() == sorted(trained.best(), key=lambda one: -one.score)
    assert trained.best(2, exclude=best[:3]) == trained.best(5)[3:]
    network, = experiment.export_top_models(1, formatter='instance')
    assert network(torch.randn(2, 3, 8, 8)).shape == (2, 10)


@pytest.mark.slow
def test_search_with_landmarks(tmp_path, make_evaluator, monkeypatch):
    """NAO as the super-net of a search of two iterations, the second from the first's weights."""
    monkeypatch.setattr(nni_experiment, 'Experiments', partial(Experiments, str(tmp_path)))
    samples = UniformSampler(NasBench201(4, 1, none=False)).distinct(4 ** 6)
    TabularBenchmark(samples, range(4 ** 6)).to_csv(tmp_path / 'table.csv')
    oneshot = NAO([LandmarkRegularizer(schedule=Schedule(warmup=1))], refit_every=1, **SMALL)
    search = LandmarkSearch(oneshot, make_evaluator(max_epochs=2), iterations=2, landmarks=3,
                            top=2, archive=tmp_path / 'a.sqlite')
    config = NasExperimentConfig('sequential', 'simplified')
    config.experiment_working_directory = tmp_path
    experiment = NasExperiment(NasBench201(4, 1, none=False),
                               TableEvaluator(str(tmp_path / 'table.csv')), search, config)
    try:
        experiment.run()
    finally:
        experiment.stop()
    assert [len(one.best) for one in search.supernets] == [2, 2]
    assert len(search.archive.results().samples) == 3 + 2 * (2 + 2)


# The pool and the controller

@pytest.mark.slow
def test_each_score_is_that_of_its_own_architecture(train):
    """The published code is off by one: the first is never scored."""
    trained = train(watched(NAO(warmup=0, refit_every=2, **SMALL)), learning_rate=0.)
    trained.best()
    assert len(trained.module.controller.lessons) == 3
    scorer = trained.scorer()
    for samples, targets in trained.module.controller.lessons:
        assert targets == [scorer([dict(sample)]).item() for sample in samples]
    assert len(set(targets)) > 3


def test_pool_grows_by_the_children_of_its_best(train):
    trained = train(watched(NAO(warmup=0, refit_every=1, **SMALL)), epochs=3)
    lessons, children = trained.module.controller.lessons, trained.module.controller.children
    sizes = [6]
    for (samples, _), new, (later, _) in zip(lessons, children, lessons[1:]):
        assert later == samples + new and len(new) <= 4
        sizes.append(len(later))
    assert len(lessons) == 3 and sizes[-1] > 6
    samples, targets = lessons[-1]
    order = sorted(range(len(samples)), key=lambda index: -targets[index])
    assert trained.module.controller.parents == [samples[index] for index in order[:4]]
    assert trained.module.pool.pool == samples + children[-1]


def test_answer_is_the_pool_and_its_last_children(train):
    trained = train(watched(NAO(warmup=0, refit_every=3, **SMALL)))
    pool = list(trained.module.pool.pool)
    best = trained.best()
    expected = pool + trained.module.controller.children[-1]
    assert sorted(map(sample_key, best)) == sorted(map(sample_key, expected))
    assert [one.score for one in best] == trained.scorer()(best).tolist()
    assert trained.best() == best and len(trained.module.controller.lessons) == 2 + 1  # asked once


@pytest.mark.parametrize('warmup, every, epochs, expected', [
    (0, 1, 3, [0, 1, 2]), (1, 2, 5, [1, 3]), (2, 5, 5, [2]),
    (0.25, 0.1, 20, [5, 7, 9, 11, 13, 15, 17, 19]), (0.25, 0.1, 4, [1, 2, 3]), (0.5, 0.5, 4, [2])])
def test_epochs_in_which_the_controller_learns(warmup, every, epochs, expected):
    module = SimpleNamespace(refit_every=every, schedule=NAO(warmup=warmup).schedule)
    assert [epoch for epoch in range(epochs)
            if NAOModule.learns(module, epoch, epochs)] == expected


def test_no_warmup_after_an_iteration_of_a_search(train, tmp_path):
    first = train(watched(NAO(warmup=1, **SMALL)), 2)
    torch.save(first.supernet.state_dict(), tmp_path / 'weights.pt')
    second = train(watched(NAO(warmup=1, **SMALL)), 2, weights=str(tmp_path / 'weights.pt'))
    assert (len(first.module.controller.lessons), len(second.module.controller.lessons)) == (1, 2)


@pytest.mark.parametrize('share', [0., 1.])
def test_what_is_trained(share, train):
    """Uniform in the warm-up, then from the pool, in validation and in the control as well."""
    trained = train(watched(NAO([EqualCostControl(2, schedule=ALWAYS)], warmup=2, refit_every=1,
                                 pool_share=share, **SMALL)))
    pool = set(map(sample_key, trained.module.pool.pool))
    assert sorted(trained.module.drawn) == [0, 1, 2, 3] and len(pool) > 6
    for epoch, drawn in trained.module.drawn.items():
        inside = [sample_key(sample) in pool for sample in drawn]
        assert len(drawn) == 1 * 3 + 2  # a step of 3 sub-nets, 2 validation batches
        assert all(inside) if share and epoch >= 2 else not any(inside)


def test_losses_that_overflow_are_left_out(train, monkeypatch):
    trained = train(NAO(**SMALL), epochs=1)
    bad = trained.module.pool.pool or trained.module._first
    monkeypatch.setattr(trained, 'scorer', lambda: lambda samples: torch.tensor(
        [float('nan') if sample == bad[0] else 1. for sample in samples], dtype=torch.float64))
    best = trained.best()
    assert bad[0] not in best and bad[1] in best and all(one.score == 1. for one in best)


# State

def test_state_of_the_pool(train):
    first, second = train(NAO(seed=1, **SMALL), 2), train(NAO(seed=1, **SMALL), 1)
    second.module.pool.load_state_dict(first.module.pool.state_dict())
    draws = [[one.module.pool.paths() for _ in range(20)] for one in (first, second)]
    assert draws[0] == draws[1]


# Spaces

@pytest.mark.slow
@pytest.mark.parametrize('name', ['NasBench101', 'DARTS'])
def test_other_spaces(name, train, make_loader, make_space):
    trained = train(NAO(warmup=0, refit_every=1, **SMALL), 1, name, max_steps=1,
                     train=make_loader(4, 4, 32), validation=make_loader(4, 4, 32))
    leaves = make_space(name).simplify()
    best = trained.best()
    assert len(best) > 6
    assert all(leaf.contains(dict(one)) for leaf in leaves.values() for one in best)


# Errors

def test_a_space_too_small_for_the_pool_is_refused_before_training(train):
    with pytest.raises(ValueError, match='a space with 16000 different architectures'):
        train(NAO(pool=16000))


@pytest.mark.parametrize('arguments, message', [
    ({'pool': 1}, 'a pool of at least 2 architectures and at least 1 proposal, got 1 and 100'),
    ({'proposals': 0}, 'a pool of at least 2 architectures and at least 1 proposal, got 100 and 0'),
    ({'refit_every': 0}, 'refit_every to be an integer >= 1.*got 0'),
    ({'refit_every': 1.5}, 'or a float in .0, 1..*got 1.5'),
    ({'warmup': 1.5}, 'Expected warmup to be an integer')])
def test_numbers_out_of_range(arguments, message):
    with pytest.raises(ValueError, match=message):
        NAO(**arguments)


def test_an_argument_without_a_meaning_is_refused():
    with pytest.raises(TypeError, match="unexpected keyword argument 'sampler'"):
        NAO(sampler=SandwichSampler)
