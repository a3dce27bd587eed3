"""Ranking distillation, against its formula on a super-net whose losses are known."""

from __future__ import annotations

import itertools
import math
import warnings

import nni
import pytest
import torch
from helpers.toy import ALWAYS, NAMES, SAMPLES, SPACE, Toy, gradient

from nni_rankreg.loss import PairwiseRankingLoss
from nni_rankreg.regularizer import LandmarkRegularizer, RankingDistillation, TermContext
from nni_rankreg.sampler import MarginPairSampler, UniformSampler
from nni_rankreg.search import Evolution
from nni_rankreg.strategy import SPOS
from nni_rankreg.typing import Results


def teacher(samples):
    """Rank conv above pool and skip, which are equal, above none, which has no score."""
    scores = dict(conv=3., pool=2., skip=2., none=math.nan)
    return torch.tensor([scores[one['op']] for one in samples], dtype=torch.float64)


def make(teachers=teacher, accept=None, results=TermContext().results, **kwargs):
    """Return the term of a training, whose weight is always the same."""
    kwargs = {'weight': 0.5, 'schedule': ALWAYS, **kwargs}
    return RankingDistillation(teachers, **kwargs).term(TermContext(SPACE, accept, results))


def naive(toy, pair, weight, margin, detach, cross_entropy):
    """Return value and gradient of the formula, written out for one pair and a batch of 1."""
    values, grads = dict(zip(NAMES, toy.weights.tolist())), dict.fromkeys(NAMES, 0.)
    total = 0.
    if cross_entropy:
        for one in pair:
            total += values[one]
            grads[one] += 1.
    level = dict(conv=3, pool=2, skip=2)
    if all(one in level for one in pair) and level[pair[0]] != level[pair[1]]:
        better, worse = sorted(pair, key=lambda one: -level[one])
        violated = margin + values[better] - values[worse]
        if violated > 0:
            total += weight * violated
            fixed = {'none': None, 'first': pair[0], 'better': better}[detach]
            for one, sign in ((better, 1.), (worse, -1.)):
                grads[one] += weight * sign * (one != fixed)
    return total, list(grads.values())


@pytest.mark.parametrize('detach, cross_entropy, margin', list(itertools.product(
    ('none', 'first', 'better'), (True, False), (0., 1.5))))
def test_every_pair_against_the_formula(detach, cross_entropy, margin):
    toy = Toy()
    term = make(detach=detach, cross_entropy=cross_entropy,
                criterion=PairwiseRankingLoss(margin=margin))
    met = set()
    for _ in range(150):
        toy.asked.clear()
        loss = term.loss(toy, 1., 0)
        pair = tuple(one['op'] for one in toy.asked)
        met.add(pair)
        total, grads = naive(toy, pair, 0.5, margin, detach, cross_entropy)
        assert (0. if loss is None else loss.item()) == pytest.approx(total)
        assert gradient(toy, loss) == pytest.approx(grads)
    assert len(met) == 16


def test_several_pairs_are_summed():
    one, four = make(pairs=1), make(pairs=4)
    toy, total = Toy(), 0.
    for _ in range(4):
        total += one.loss(toy, 1., 0).item()
    assert four.loss(toy, 1., 0).item() == pytest.approx(total)


LANDMARKS = Results(SAMPLES[1:], [0.2, 0.8, 0.5], 'max')  # the teacher says otherwise


def ordered(first, second, margin, truth):
    """Return the sign of the order of two names: truth, then the teacher, of those far apart."""
    known = dict(zip(NAMES[1:], LANDMARKS.metrics))
    if not truth or first not in known or second not in known:
        known = dict(conv=3, pool=2, skip=2)
        if margin and first == second:
            return 0
    one, other = known.get(first, math.nan), known.get(second, math.nan)
    return (one > other) - (one < other)


@pytest.mark.parametrize('detach', ['none', 'first', 'better'])
@pytest.mark.parametrize('landmark_pairs, margin', [(0, 0), (0, 1), (1, 0), (2, 1)])
@pytest.mark.parametrize('reduction', ['sum', 'mean'])
def test_all_pairs_of_a_step_against_a_double_loop(reduction, landmark_pairs, margin, detach):
    """Truth orders landmarks, the teacher others; all weigh as much as the pairs drawn."""
    toy = Toy(dtype=torch.double)
    term = make(pairs=2, among='all', landmark_pairs=landmark_pairs, results=LANDMARKS,
                sampler=MarginPairSampler('hamming', margin, seed=4), detach=detach,
                criterion=PairwiseRankingLoss(margin=1.5, reduction=reduction))
    values = dict(zip(NAMES, toy.weights.tolist()))
    for _ in range(40):
        toy.asked.clear()
        loss = term.loss(toy, 1., 0)
        names = [one['op'] for one in toy.asked]
        assert len(names) == 4 + 2 * landmark_pairs  # the cost is that of the architectures
        total, grads, terms = sum(values[one] for one in names), dict.fromkeys(NAMES, 0.), []
        for first, second in itertools.combinations(names, 2):
            # Without pairs of landmarks the term does not look at what has been measured.
            sign = ordered(first, second, margin, truth=landmark_pairs > 0)
            if sign:
                better, worse = (first, second) if sign > 0 else (second, first)
                fixed = {'none': None, 'first': first, 'better': better}[detach]
                terms.append((better, worse, fixed))
        share = 0.5 * (1 if reduction == 'mean' else 2 + landmark_pairs) / max(1, len(terms))
        for one in names:
            grads[one] += 1.
        for better, worse, fixed in terms:
            violated = 1.5 + values[better] - values[worse]
            if violated > 0:
                total += share * violated
                for one, sign in ((better, 1.), (worse, -1.)):
                    grads[one] += share * sign * (one != fixed)
        assert loss.item() == pytest.approx(total)
        assert gradient(toy, loss) == pytest.approx(list(grads.values()))


def test_gradient_of_all_pairs():
    term = make(pairs=2, among='all', landmark_pairs=1, results=LANDMARKS,
                criterion=PairwiseRankingLoss(activation='softplus'))
    state = term.state_dict()

    def loss(weights):
        term.load_state_dict(state)  # draws the same
        toy = Toy()
        toy.weights = weights
        return term.loss(toy, 1., 0)

    assert torch.autograd.gradcheck(
        loss, torch.tensor([2., 1., 3., 5.], dtype=torch.double, requires_grad=True))


def test_landmarks_are_drawn_in_pairs_beside_the_others():
    toy, term = Toy(), make(pairs=1, landmark_pairs=1, results=LANDMARKS, cross_entropy=False)
    assert term.results == LANDMARKS  # no ranking is measured on them
    met = set()
    for _ in range(60):
        toy.asked.clear()
        term.loss(toy, 1., 0)
        *_, better, worse = toy.asked
        met.add((better['op'], worse['op']))
    assert met == {('skip', 'pool'), ('skip', 'none'), ('none', 'pool')}


def test_given_landmarks_come_before_those_of_the_search():
    term = make(landmark_pairs=1, results=LANDMARKS, landmarks=Results(SAMPLES[:2], [0.7, 0.6]))
    assert dict(zip(NAMES, term.results.metrics)) == dict(conv=0.7, pool=0.6, skip=0.8, none=0.5)
    assert make(results=LANDMARKS).results.samples == []
    with pytest.raises(ValueError, match='Expected landmarks, got none. Give RankingDistillation'):
        make(landmark_pairs=1)


class Student:
    """A teacher that learns the metrics by heart, and knows one thing more."""

    def __init__(self):
        self.known = {'conv': 9.}

    def fit(self, samples, metrics):
        self.known.update((one['op'], metric) for one, metric in zip(samples, metrics))
        return self

    def __call__(self, samples):
        return torch.tensor([self.known[one['op']] for one in samples])


def test_a_teacher_that_learns_is_fitted_to_the_results_of_each_training():
    student = Student()
    for results in (LANDMARKS, Results(SAMPLES[1:], [0.1, 0.2, 0.3])):
        term = make(student, results=results)
        term.loss(Toy(), 1., 0)
        assert term.results == results.in_mode('max')
        orders = [term.teaching.order(SAMPLES[0], other) for other in SAMPLES[1:]]
        assert orders == [1, 1, 1]
        rising = results.metrics[1] < results.metrics[2]
        assert term.teaching.order(SAMPLES[2], SAMPLES[3]) == (-1 if rising else 1)
    assert student.known == {'conv': 9.}
    with pytest.raises(ValueError, match='Expected results for .*Student.* to learn from, got 0'):
        make(student)


def test_a_teacher_is_asked_once_for_an_architecture():
    asked = []

    def counting(samples):
        asked.extend(one['op'] for one in samples)
        return teacher(samples)

    term = make(counting)
    for _ in range(50):
        term.loss(Toy(), 1., 0)
    assert len(asked) <= 20 + len(NAMES)


def test_a_teacher_without_an_order_is_an_error_in_the_first_step():
    term = make(lambda samples: torch.zeros(len(samples)))
    with pytest.raises(ValueError, match='Expected a teacher that orders architectures'):
        term.loss(Toy(), 1., 0)


def test_default_schedule_is_the_published_one():
    term = RankingDistillation(teacher, cross_entropy=False).term(TermContext(SPACE))
    for epoch in range(10):
        assert term.factor(epoch, 10) == pytest.approx(
            2 * math.sin(0.8 * math.pi * (epoch + 1) / 10))
    assert term.active(0, 10)


def test_without_weight_only_cross_entropy_is_left():
    toy = Toy()
    assert make(weight=0., cross_entropy=False).loss(toy, 1., 0) is None
    assert not make(weight=0., cross_entropy=False).active(0, 10)
    loss = make(weight=0.).loss(toy, 1., 0)
    assert loss.item() == sum(toy.weights[NAMES.index(one['op'])].item() for one in toy.asked)


def test_pairs_respect_the_filter():
    term = make(accept=lambda sample: sample['op'] != 'none')
    toy = Toy()
    for _ in range(50):
        term.loss(toy, 1., 0)
    assert {one['op'] for one in toy.asked} == {'conv', 'pool', 'skip'}


def test_published_ascent_is_warned_of():
    with pytest.warns(UserWarning, match='weight of 2 above 1'):
        RankingDistillation(teacher, detach='first')
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        RankingDistillation(teacher, detach='first', weight=1.)
        RankingDistillation(teacher)


@pytest.mark.parametrize('arguments, message', [
    (dict(pairs=0), 'Expected at least 1 pair per step, got 0'),
    (dict(landmark_pairs=-1), 'Expected at least 0 pairs of landmarks per step, got -1'),
    (dict(among='some'), "Expected among to be 'drawn' or 'all', got 'some'"),
    (dict(detach='second'), "Expected detach to be 'none', 'first' or 'better', got 'second'"),
    (dict(weight=-1.), 'Expected a weight of at least 0, got -1.0')])
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        RankingDistillation(teacher, **arguments)


@pytest.mark.slow
@pytest.mark.parametrize('landmarks', [False, True])
def test_in_a_super_net(landmarks, make_space, make_evaluator):
    """A named proxy as teacher, alone and together with landmarks, repeatable by its seed."""
    samples = UniformSampler(make_space(), seed=8).distinct(4)
    best = []
    for _ in range(2):
        regularizers = [RankingDistillation('synflow', MarginPairSampler('group', 6.7), pairs=2)]
        if landmarks:
            regularizers.append(LandmarkRegularizer(Results(samples, [1., 2., 3., 4.]),
                                                    schedule=ALWAYS))
        strategy = SPOS(regularizers, evolution=Evolution(4, 8, 2, progress=False))
        torch.manual_seed(0)
        trained = strategy.train(make_space(), make_evaluator())
        assert trained.module.terms[0].sampler.accepted == 2  # in the only step
        best.append([(one.score, dict(one)) for one in trained.best(3)])
    assert best[0] == best[1]


def test_round_trip():
    term = RankingDistillation(['synflow', 'naswot'], MarginPairSampler('group', 3.), pairs=3)
    loaded = nni.load(nni.dump(term))
    assert loaded.teachers == ['synflow', 'naswot'] and loaded.pairs == 3
    assert loaded.sampler.margin == 3.
