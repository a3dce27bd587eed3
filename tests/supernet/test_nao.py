"""The pool of NAO's super-net, with a controller whose children are known."""

from __future__ import annotations

import math

import pytest
import torch

from nni_rankreg.regularizer import EqualCostControl, TermContext
from nni_rankreg.sampler import PoolSampler, UniformSampler
from nni_rankreg.schedule import Schedule
from nni_rankreg.supernet.nao import NAOModule
from nni_rankreg.typing import sample_key


class Controller:
    """Notes what it is taught; its children are architectures of the space, in order."""

    def __init__(self, space):
        self.lessons, self.asked = [], []
        self.children = iter(UniformSampler(space, seed=9).distinct(50))

    def fit(self, samples, targets):
        self.lessons.append((list(samples), list(targets)))

    def propose(self, parents, **kwargs):
        self.asked.append((list(parents), kwargs))
        return [next(self.children) for _ in parents]


@pytest.fixture
def make(make_module, make_space):
    """Return a function that makes the module, which learns in each epoch."""
    def run(*args, share=1., warmup=0, every=1, **kwargs):
        return make_module(*args, kind=NAOModule, pool=PoolSampler(make_space(), 3, share=share),
                           first=5, controller=Controller(make_space()), proposals=2,
                           refit_every=every, schedule=Schedule('constant', warmup), **kwargs)
    return run


def scorer(samples):
    """Score architectures by the number of their convolutions."""
    return torch.tensor([float(sum('conv' in choice for choice in one.values()))
                         for one in samples], dtype=torch.float64)


def test_the_pool_grows_by_children_of_its_best(make, make_space):
    def accept(sample):
        return True

    module, pool = make(accept=accept), UniformSampler(make_space(), 3).distinct(5)
    children = UniformSampler(make_space(), 9).distinct(4)
    for new in (children[:2], children[2:]):
        scored = module.next_generation(scorer)
        assert scored == pool and [one.score for one in scored] == scorer(pool).tolist()
        assert module.controller.lessons[-1] == (pool, scorer(pool).tolist())
        best = sorted(pool, key=lambda one: -scorer([one]).item())
        assert module.controller.asked[-1] == (best[:2], {'exclude': pool, 'accept': accept})
        pool = pool + new
        assert module.pool.pool == pool


def test_the_answer_is_the_pool_and_its_last_children(make):
    module = make()
    module.next_generation(scorer)
    pool = list(module.pool.pool)
    best = module.ranked_pool(scorer)
    assert len(module.pool.pool) == len(pool) + 2
    assert sorted(map(sample_key, best)) == sorted(map(sample_key, module.pool.pool))
    assert [one.score for one in best] == sorted(scorer(best).tolist(), reverse=True)


def test_losses_that_overflow_are_the_worst(make):
    module = make()
    bad = UniformSampler(module.model, 3).distinct(5)[0]
    best = module.ranked_pool(lambda samples: torch.where(
        torch.tensor([one == bad for one in samples]), math.nan, scorer(samples)))
    assert best[-1] == bad and best[-1].score == -math.inf
    assert module.controller.lessons[0][1][0] == -math.inf


@pytest.mark.parametrize('share', [0., 1.])
def test_what_is_drawn(share, make):
    """Uniform before the first generation, then from the pool, also for a control."""
    module = make(share=share)
    before = [module.draw() for _ in range(10)]
    pool = set(map(sample_key, module.next_generation(scorer)))
    pool |= set(map(sample_key, module.pool.pool))
    assert not any(sample_key(one) in pool for one in before)
    after = [sample_key(draw()) in pool for _ in range(10)
             for draw in (module.draw, lambda: module.paths()[0])]
    assert all(after) if share else not any(after)


@pytest.mark.parametrize('warmup, every, expected', [
    (0, 1, [0, 1, 2, 3]), (1, 2, [1, 3]), (2, 5, [2]), (0.25, 0.1, [1, 2, 3]), (0.5, 0.5, [2])])
def test_the_controller_learns_before_an_epoch(warmup, every, expected, make, make_loader, fit):
    """It learns what the super-net of that moment says, before an architecture is drawn."""
    control = EqualCostControl(1, schedule=Schedule('constant', 0)).term(TermContext())
    module = make([control], warmup=warmup, every=every, held_out=make_loader(8, 8, seed=1))
    learned, drawn = [], []
    generation, draw = module.next_generation, module.paths

    def noted(scorer):
        samples = module.pool.pool or module._first
        learned.append((module.trainer.current_epoch, len(drawn)))
        scored = generation(scorer)
        assert [one.score for one in scored] == scorer([dict(one) for one in samples]).tolist()
        return scored

    module.next_generation = noted
    module.paths = lambda: drawn.append(1) or draw()
    fit(module, make_loader(8, 8), make_loader(8, 8, seed=2), max_epochs=4)
    assert learned == [(epoch, 2 * epoch + epoch) for epoch in expected]  # two, and a validation


@pytest.mark.slow
def test_the_state_has_the_pool(make):
    module, resumed = make(share=0.5), make(share=0.5)
    module.next_generation(scorer)
    resumed.load_search_state(module.search_state())
    assert resumed.pool.pool == module.pool.pool
    assert [module.draw() for _ in range(9)] == [resumed.draw() for _ in range(9)]
