"""Regularisers, against their formulas on a super-net whose losses are known."""

from __future__ import annotations

import itertools
import math

import nni
import pytest
import torch
from torch import nn

from nni_rankreg.archive import Archive
from nni_rankreg.loss import PairwiseRankingLoss
from nni_rankreg.regularizer import EqualCostControl, LandmarkRegularizer, Regularizer
from nni_rankreg.sampler import PairSampler
from nni_rankreg.schedule import Schedule
from nni_rankreg.table import TabularBenchmark, read_results
from nni_rankreg.typing import Results

SAMPLES = [{'op': name} for name in ('conv', 'pool', 'skip', 'none')]
RESULTS = Results(SAMPLES, [0.9, 0.5, 0.7, 0.1])
ALWAYS = Schedule('constant', warmup=0)


class Toy:
    """A super-net with one weight per architecture; its loss is the weight times the batch."""

    epochs = 10

    def __init__(self, losses=(2., 1., 3., 5.), dtype=torch.float):
        self.weights = nn.Parameter(torch.tensor(losses, dtype=dtype))
        self.asked, self.drawn = [], itertools.cycle(SAMPLES)

    def draw(self):
        return next(self.drawn)

    def subnet_loss(self, sample, batch):
        self.asked.append(sample)
        return self.weights[SAMPLES.index(sample)] * batch


def gradient(toy, loss):
    toy.weights.grad = None
    loss.backward()
    return toy.weights.grad.tolist()


def test_all_pairs_against_the_formula():
    """Wrong are conv (2) against pool (1), by 1; and skip (3) against pool (1), by 2."""
    toy = Toy()
    term = LandmarkRegularizer(RESULTS, weight=10., pairs=None, schedule=ALWAYS)
    loss = term.loss(toy, 0.5, epoch=3)
    assert loss.item() == 10 * 0.5 * (1 + 2)
    assert gradient(toy, loss) == [10 * 0.5 * count for count in (1, -2, 1, 0)]
    assert sorted(map(str, toy.asked)) == sorted(map(str, SAMPLES))  # each only once


@pytest.mark.parametrize('pairs', [1, 2, 5, 100])
def test_drawn_pairs_against_the_formula(pairs):
    toy, drawer = Toy((1., 2., 3., 4.)[::-1]), PairSampler(3)
    term = LandmarkRegularizer(RESULTS, weight=2., pairs=pairs, schedule=ALWAYS, seed=3)
    for _ in range(10):
        drawn = drawer.sample(RESULTS.metrics, pairs).tolist()
        expected = [max(0., (toy.weights[better] - toy.weights[worse]).item())
                    for better, worse in drawn]
        counts = [0.] * 4
        for (better, worse), value in zip(drawn, expected):
            counts[better] += 2. * (value > 0)
            counts[worse] -= 2. * (value > 0)
        loss = term.loss(toy, 1., epoch=0)
        assert (0. if loss is None else loss.item()) == 2 * sum(expected)
        assert loss is None or gradient(toy, loss) == counts
        assert len(toy.asked) == len({index for pair in drawn for index in pair})
        toy.asked.clear()


def test_an_inactive_hinge_is_none():
    toy = Toy([-metric for metric in RESULTS.metrics])
    for pairs in (1, None):
        assert LandmarkRegularizer(RESULTS, pairs=pairs, schedule=ALWAYS).loss(toy, 1., 0) is None


@pytest.mark.parametrize('criterion', [
    PairwiseRankingLoss(activation='softplus', beta=5), PairwiseRankingLoss(margin=1.),
    PairwiseRankingLoss(weighting='gap'), PairwiseRankingLoss(weighting='scaled')],
    ids=lambda criterion: criterion.extra_repr())
@pytest.mark.parametrize('pairs', [1, 3, None])
def test_other_criteria_see_all_landmarks(criterion, pairs):
    toy, drawer = Toy(), PairSampler(0)
    term = LandmarkRegularizer(RESULTS, weight=1., pairs=pairs, criterion=criterion,
                               schedule=ALWAYS)
    targets = torch.tensor(RESULTS.metrics, dtype=torch.float64)
    for _ in range(5):
        drawn = drawer.sample(RESULTS.metrics, pairs or 6)
        expected = criterion(-toy.weights, targets, drawn)
        loss = term.loss(toy, 1., 0)
        assert (0. if loss is None else loss.item()) == pytest.approx(expected.item())


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float, torch.double])
def test_close_metrics_keep_their_order(dtype):
    """Accuracies that differ by one image are equal in the precision of many losses."""
    toy = Toy((3., 1., 0., 0.), dtype)
    results = Results(SAMPLES[:2], [0.9 + 1e-9, 0.9])
    term = LandmarkRegularizer(results, weight=1., schedule=ALWAYS)
    assert term.loss(toy, 1., 0).item() == 2


@pytest.mark.parametrize('criterion', [
    PairwiseRankingLoss(), PairwiseRankingLoss(activation='softplus'),
    PairwiseRankingLoss(margin=0.5, reduction='mean')], ids=lambda one: one.extra_repr())
def test_backward_passes_of_violated_pairs_only(criterion):
    """Against the plain loss, whose gradient is 0 for the others; here it is never computed."""
    random = torch.Generator().manual_seed(0)
    for _ in range(20):
        toy, visited = Toy(torch.randperm(4, generator=random).tolist()), []
        term = LandmarkRegularizer(RESULTS, weight=1., pairs=2, criterion=criterion,
                                   schedule=ALWAYS, seed=int(toy.weights[0]))
        pairs = PairSampler(int(toy.weights[0])).sample(RESULTS.metrics, 2)
        subnet_loss = toy.subnet_loss

        def watched(sample, batch):
            loss = subnet_loss(sample, batch)
            loss.register_hook(lambda _: visited.append(SAMPLES.index(sample)))
            return loss

        toy.subnet_loss = watched
        loss = term.loss(toy, 1., 0)
        plain = criterion(-toy.weights, torch.tensor(RESULTS.metrics), pairs)
        expected = torch.autograd.grad(plain, toy.weights)[0]
        assert (loss is None) is not expected.any().item()
        if loss is not None:
            assert loss.item() == pytest.approx(plain.item())
            assert gradient(toy, loss) == pytest.approx(expected.tolist())
        assert sorted(visited) == expected.nonzero().flatten().tolist()


def test_landmarks_of_one_metric_have_no_pair():
    toy = Toy()
    term = LandmarkRegularizer(Results(SAMPLES, [0.5] * 4), schedule=ALWAYS)
    assert term.loss(toy, 1., 0) is None and toy.asked == []


def test_weight_follows_the_schedule():
    toy = Toy()
    schedule = Schedule('linear_increase', warmup=2)
    term = LandmarkRegularizer(RESULTS, weight=8., pairs=None, schedule=schedule)
    for epoch in range(10):
        loss = term.loss(toy, 1., epoch)
        assert term.active(epoch, 10) is (epoch >= 2)
        assert (loss is None) is (epoch < 2)
        if epoch >= 2:
            assert loss.item() == pytest.approx(8 * (epoch - 1) / 8 * 3)
    assert not LandmarkRegularizer(RESULTS, weight=0., schedule=ALWAYS).active(5, 10)


def test_default_schedule_is_that_of_the_paper():
    term = LandmarkRegularizer(RESULTS)
    assert [term.active(epoch, 400) for epoch in (0, 149, 150, 399)] == [False, False, True, True]
    assert (term.weight, term.pairs) == (10., 1)
    assert term.schedule(274, 400) == pytest.approx(0.5 * (1 - math.cos(math.pi * 125 / 250)))


# What a search has measured

def test_bound_results_are_the_landmarks():
    term = LandmarkRegularizer()
    with pytest.raises(ValueError, match='Expected landmarks, got none. Give LandmarkRegularizer'):
        term.results
    term.bind(RESULTS, warmed_up=False)
    assert term.results == RESULTS
    assert term.schedule == Schedule()
    more = Results([*SAMPLES, {'op': 'new'}], [*RESULTS.metrics, 0.3])
    term.bind(more, warmed_up=True)
    assert term.results == more
    assert term.schedule == Schedule(warmup=0)


def test_bound_results_add_to_the_given_ones():
    given = Results(SAMPLES[:2], [0.8, 0.4])
    term = LandmarkRegularizer(given)
    for _ in range(2):  # the second search replaces the first one's results
        term.bind(Results(SAMPLES[1:], [0.5, 0.7, 0.1]), warmed_up=False)
    assert term.results == Results(SAMPLES, [0.8, 0.4, 0.7, 0.1], 'max')
    assert given == Results(SAMPLES[:2], [0.8, 0.4])


def test_other_terms_have_seen_nothing():
    term = EqualCostControl(2)
    term.bind(RESULTS, warmed_up=True)
    assert term.results == Results([], []) and term.schedule.warmup == 0


@pytest.mark.parametrize('source', ['results', 'archive', 'archive path', 'table', 'csv'])
def test_sources(source, tmp_path):
    archive, csv = Archive(tmp_path / 'a.sqlite'), tmp_path / 't.csv'
    archive.add_many(RESULTS)
    csv.write_text('sample,metric\n' + ''.join(
        f'"{{""op"": ""{sample["op"]}""}}",{metric}\n' for sample, metric in RESULTS.pairs()))
    table = TabularBenchmark(SAMPLES, RESULTS.metrics)
    where = {'results': RESULTS, 'archive': archive, 'archive path': archive.path,
             'table': table, 'csv': str(csv)}[source]
    found = read_results(where)
    assert dict(zip(map(str, found.samples), found.metrics)) == pytest.approx(
        dict(zip(map(str, SAMPLES), RESULTS.metrics)))
    assert LandmarkRegularizer(found).results == found
    assert read_results(where, 'min') == Results(
        found.samples, [-one for one in found.metrics], 'max')


# Metrics that are better the lower they are

LOSSES = Results(SAMPLES, [-metric for metric in RESULTS.metrics])


@pytest.mark.parametrize('pairs', [1, 3, None])
def test_losses_give_the_order_of_accuracies(pairs):
    term, other = (LandmarkRegularizer(results, mode=mode, pairs=pairs, schedule=ALWAYS)
                   for results, mode in ((RESULTS, 'max'), (LOSSES, 'min')))
    assert other.results == RESULTS
    for epoch in range(8):
        values = [one.loss(Toy(), 1., epoch) for one in (term, other)]
        assert values[0] == values[1]


def test_losses_with_bound_results():
    """What a search binds is higher is better already."""
    term = LandmarkRegularizer(Results(SAMPLES[:2], [0.8, 0.4]), mode='min')
    term.bind(Results(SAMPLES[1:], [-0.5, -0.7, -0.1]), warmed_up=False)
    assert term.results == Results(SAMPLES, [-0.8, -0.4, -0.7, -0.1], 'max')


@pytest.mark.parametrize('mode', ['max', 'min'])
def test_archive_of_a_search_knows_its_mode(mode, tmp_path):
    archive = Archive(tmp_path / 'a.sqlite')
    archive.add_many(LOSSES)
    archive.record_job('evaluation', 'evaluation', {})
    archive.record_result('evaluation', {'digest': 'x', 'mode': 'min'})
    if mode == 'min':
        assert read_results(archive, mode) == RESULTS
    else:
        with pytest.raises(ValueError, match="Expected mode 'min' for the metrics of .*a.sqlite, "
                                             "as in its search, got 'max'"):
            read_results(archive, mode)


# The control

@pytest.mark.parametrize('count', [1, 3])
def test_control_is_the_loss_of_more_architectures(count):
    toy = Toy()
    loss = EqualCostControl(count, schedule=ALWAYS).loss(toy, 2., epoch=0)
    assert toy.asked == SAMPLES[:count]
    assert loss.item() == 2 * sum((2., 1., 3.)[:count])
    assert gradient(toy, loss) == [2.] * count + [0.] * (4 - count)


def test_control_has_no_weight_but_the_warmup_of_a_ranking_term():
    toy, schedule = Toy(), Schedule(warmup=4)
    control = EqualCostControl(1, schedule=schedule)
    values = [control.loss(toy, 1., epoch) for epoch in range(10)]
    assert [value is None for value in values] == [epoch < 4 for epoch in range(10)]
    assert {value.item() for value in values[4:]} <= {2., 1., 3., 5.}  # not scheduled
    assert len(toy.asked) == 6


# Errors and serialisation

@pytest.mark.parametrize('make, message', [
    (lambda: LandmarkRegularizer(RESULTS, weight=-1.), 'Expected a weight of at least 0, got -1'),
    (lambda: LandmarkRegularizer(RESULTS, weight=math.nan), 'Expected a weight of at least 0'),
    (lambda: LandmarkRegularizer(RESULTS, pairs=0), 'Expected at least 1 pair per step, or None'),
    (lambda: LandmarkRegularizer(RESULTS, mode='low'), "Expected mode 'max' or 'min', got 'low'"),
    (lambda: read_results(RESULTS, 'low'), "Expected mode 'max' or 'min', got 'low'"),
    (lambda: EqualCostControl(0), 'Expected a count of at least 1, got 0'),
    (lambda: LandmarkRegularizer(Results(SAMPLES[:1], [1.])).results,
     'Expected at least 2 landmarks to make a pair, got 1'),
])
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_subclass_needs_a_term_only():
    class Norm(Regularizer):
        def term(self, supernet, batch):
            return supernet.weights.square().sum()

    assert Norm(0.5, ALWAYS).loss(Toy(), None, 0).item() == 0.5 * (4 + 1 + 9 + 25)
    with pytest.raises(NotImplementedError):
        Regularizer(1., ALWAYS).loss(Toy(), None, 0)


@pytest.mark.parametrize('term', [
    LandmarkRegularizer(RESULTS, weight=3., pairs=2, seed=1,
                        criterion=PairwiseRankingLoss(margin=.5), schedule=Schedule(warmup=1)),
    EqualCostControl(3, schedule=Schedule(warmup=1))])
def test_terms_travel_in_jobs(term):
    copy = nni.load(nni.dump(term))
    assert type(copy).__name__ == type(term).__name__
    assert (copy.weight, copy.schedule) == (term.weight, term.schedule)
    losses = [one.loss(Toy(), 1., 5) for one in (copy, term)]
    assert losses[0].item() == losses[1].item()
