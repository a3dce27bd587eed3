"""What every regulariser promises: it is a recipe, whose terms know nothing of each other.

A new one is a line in `REGULARIZERS`; one that is missing there is found.
"""

from __future__ import annotations

import inspect
from functools import partial

import cloudpickle
import nni
import pytest
import pytorch_lightning as pl
import torch
from helpers.members import add_member, members
from helpers.spaces import Tiny
from helpers.toy import RESULTS, SAMPLES, SPACE, Toy

from nni_rankreg import regularizer as room
from nni_rankreg.loss import PairwiseRankingLoss
from nni_rankreg.regularizer import (
    EqualCostControl,
    LandmarkRegularizer,
    RankingDistillation,
    Regularizer,
    TermContext,
)
from nni_rankreg.sampler import MarginPairSampler, UniformSampler
from nni_rankreg.schedule import Schedule
from nni_rankreg.strategy import SPOS
from nni_rankreg.typing import Results


def teacher(samples):
    """Rank the toy's architectures by the lengths of their names, and others by their text."""
    return torch.tensor([float(sum(map(ord, str(one)))) for one in samples])


EARLY = Schedule('linear_increase', warmup=1)
REGULARIZERS = {
    'LandmarkRegularizer': lambda: LandmarkRegularizer(
        weight=3., pairs=2, seed=1, schedule=EARLY, criterion=PairwiseRankingLoss(margin=.5)),
    'RankingDistillation': lambda: RankingDistillation(
        teacher, MarginPairSampler('hamming', 1, seed=2), pairs=2, schedule=EARLY,
        criterion=PairwiseRankingLoss(margin=.5)),
    'EqualCostControl': lambda: EqualCostControl(3, schedule=EARLY),
}
RANKING_ALONE = {  # of a weight; any two architectures have a loss
    'LandmarkRegularizer': lambda weight: LandmarkRegularizer(
        weight=weight, schedule=EARLY, criterion=PairwiseRankingLoss(margin=9.)),
    'RankingDistillation': lambda weight: RankingDistillation(
        teacher, MarginPairSampler('hamming', 1), weight=weight, schedule=EARLY,
        cross_entropy=False, criterion=PairwiseRankingLoss(margin=9.)),
}
every_regularizer = pytest.mark.parametrize('make', REGULARIZERS.values(), ids=REGULARIZERS)

# Of two trainings: the second knows more, and has begun from the weights of the first.
FIRST = TermContext(SPACE, lambda sample: sample['op'] != 'none',
                    Results(SAMPLES[:3], [3., 1., 2.]))
SECOND = TermContext(SPACE, None, RESULTS, warmed_up=True)


def missing():
    return (members(room, lambda one: inspect.isclass(one) and issubclass(one, Regularizer)
                    and one is not Regularizer).keys() ^ REGULARIZERS.keys())


def test_none_is_missing(monkeypatch):
    assert not missing()
    add_member(monkeypatch, room.landmark, 'Other', type('Other', (Regularizer,), {}))
    assert missing() == {'Other'}


def step(term, toy, epoch):
    """Return the term in a step of a training, with what it has asked for."""
    toy.asked.clear()
    loss = term.loss(toy, 1., epoch)
    return None if loss is None else loss.item(), list(toy.asked)


def training(term, epochs=range(10)):
    toy = Toy()
    return [step(term, toy, epoch) for epoch in epochs for _ in range(3)]


@every_regularizer
def test_used_twice_it_gives_the_same_as_two_fresh_ones(make):
    expected = [training(make().term(context)) for context in (FIRST, SECOND)]
    assert expected[0] != expected[1] and expected[0][-1][0] is not None
    used = make()
    assert [training(used.term(context)) for context in (FIRST, SECOND)] == expected
    assert training(used.term(FIRST)) == expected[0]


@every_regularizer
def test_two_trainings_at_a_time_know_nothing_of_each_other(make):
    used, toys = make(), (Toy(), Toy())
    terms = [used.term(context) for context in (FIRST, SECOND)]
    steps = [[step(*one, epoch) for one in zip(terms, toys)]
             for epoch in range(10) for _ in range(3)]
    assert list(map(list, zip(*steps))) == [training(make().term(context))
                                            for context in (FIRST, SECOND)]


@every_regularizer
def test_a_term_leaves_its_recipe_as_it_was(make):
    used = make()
    before = cloudpickle.dumps(vars(used))
    for context in (FIRST, SECOND):
        training(used.term(context))
    assert cloudpickle.dumps(vars(used)) == before


@every_regularizer
def test_a_term_goes_on_from_its_state(make, tmp_path):
    """The state is plain, so that a checkpoint is safe to read."""
    whole, resumed, fresh = (make().term(SECOND) for _ in range(3))
    training(whole, range(5))
    torch.save(whole.state_dict(), tmp_path / 'state')
    resumed.load_state_dict(torch.load(tmp_path / 'state', weights_only=True))
    expected = training(whole, range(5, 10))
    assert training(resumed, range(5, 10)) == expected
    assert (training(fresh, range(5, 10)) == expected) is (fresh.state_dict() == {})


@every_regularizer
def test_it_travels_in_jobs(make):
    copy = nni.load(nni.dump(make()))
    assert type(copy).__name__ == type(make()).__name__
    assert (copy.weight, copy.schedule) == (make().weight, make().schedule)
    assert training(copy.term(SECOND)) == training(make().term(SECOND))


@pytest.mark.parametrize('make', [*REGULARIZERS.values(), *(
    partial(make, 2.) for make in RANKING_ALONE.values())])
def test_what_takes_no_part_asks_for_nothing(make):
    """An epoch in which a term is not active changes nothing of it, either."""
    term, toy = make().term(FIRST), Toy()
    for epoch in range(10):
        state, active = term.state_dict(), term.active(epoch, toy.epochs)
        loss, asked = step(term, toy, epoch)
        assert (loss is not None) is bool(asked) is active
        assert active or (epoch < 1 and term.state_dict() == state)


@pytest.mark.parametrize('make', RANKING_ALONE.values(), ids=RANKING_ALONE)
def test_a_weight_of_zero_has_no_gradient(make):
    assert all(one == (None, []) for one in training(make(0.).term(FIRST)))
    half, whole = (training(make(weight).term(FIRST), range(1, 10)) for weight in (2., 4.))
    assert [(2 * loss, asked) for loss, asked in half] == whole
    with pytest.raises(ValueError, match='Expected a weight of at least 0, got -1'):
        make(-1.)


class Losses(pl.Callback):
    """Keeps the sum of the terms of each step."""

    def __init__(self):
        self.values = []

    def on_train_batch_end(self, trainer, module, *_):
        self.values.append(None if module.ranking_loss is None else module.ranking_loss.item())


SUPERNET = {
    **REGULARIZERS,
    'RankingDistillation': lambda: RankingDistillation(
        'naswot', MarginPairSampler('hamming', 3), pairs=2),
}


@pytest.mark.parametrize('make', SUPERNET.values(), ids=SUPERNET)
def test_in_two_trainings_of_super_nets(make, make_evaluator, make_loader):
    """Proxies see the batches of their own training, too."""
    samples = UniformSampler(Tiny(), seed=8).distinct(6)
    known = [Results(samples[:count], [float(index) for index in range(count)])
             for count in (3, 6)]

    def train(one, results, seed):
        torch.manual_seed(0)
        evaluator = make_evaluator(make_loader(24, 4, seed=seed), max_epochs=2,
                                   callbacks=[losses := Losses()])
        SPOS([one], seed=seed).train(Tiny(), evaluator, results)
        return losses.values

    used = make()
    found = [train(used, results, seed) for seed, results in enumerate(known)]
    assert found == [train(make(), results, seed) for seed, results in enumerate(known)]
    assert found[0] != found[1] and all(value is not None for value in found[1][3:])
