"""Landmark regularisation, against its formula on a super-net whose losses are known."""

from __future__ import annotations

import math

import pytest
import torch
from helpers.toy import ALWAYS, RESULTS, SAMPLES, Toy, gradient

from nni_rankreg.archive import Archive
from nni_rankreg.loss import PairwiseRankingLoss
from nni_rankreg.regularizer import LandmarkRegularizer, TermContext
from nni_rankreg.sampler import PairSampler
from nni_rankreg.schedule import Schedule
from nni_rankreg.table import TabularBenchmark, read_results
from nni_rankreg.typing import Results


def make(landmarks=RESULTS, context=TermContext(), **kwargs):
    """Return the term of a training, whose weight is always the same."""
    return LandmarkRegularizer(landmarks, **{'schedule': ALWAYS, **kwargs}).term(context)


def test_all_pairs_against_the_formula():
    """Wrong are conv (2) against pool (1), by 1; and skip (3) against pool (1), by 2."""
    toy = Toy()
    term = make(weight=10., pairs=None)
    loss = term.loss(toy, 0.5, epoch=3)
    assert loss.item() == 10 * 0.5 * (1 + 2)
    assert gradient(toy, loss) == [10 * 0.5 * count for count in (1, -2, 1, 0)]
    assert sorted(map(str, toy.asked)) == sorted(map(str, SAMPLES))  # each only once


@pytest.mark.parametrize('pairs', [1, 2, 5, 100])
def test_drawn_pairs_against_the_formula(pairs):
    toy, drawer = Toy((1., 2., 3., 4.)[::-1]), PairSampler(3)
    term = make(weight=2., pairs=pairs, seed=3)
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


@pytest.mark.parametrize('criterion', [
    PairwiseRankingLoss(), PairwiseRankingLoss(margin=1.5), PairwiseRankingLoss(reduction='mean'),
    PairwiseRankingLoss(activation='softplus')], ids=lambda criterion: criterion.extra_repr())
@pytest.mark.parametrize('pairs', [1, 2, 3])
def test_all_pairs_of_a_step_against_a_double_loop(criterion, pairs):
    """They weigh as much as the pairs drawn; equal metrics have no order."""
    results = Results(SAMPLES, [0.9, 0.5, 0.5, 0.1])
    toy, drawer = Toy(dtype=torch.double), PairSampler(3)
    term = make(results, weight=2., pairs=pairs, among='all', seed=3, criterion=criterion)
    for _ in range(10):
        drawn = drawer.sample(results.metrics, pairs)
        met = drawn.unique().tolist()
        terms = [criterion(-toy.weights[[first, second]], torch.tensor([1., 0.]))
                 for first in met for second in met
                 if results.metrics[first] > results.metrics[second]]
        expected = 2 * sum(terms) / len(terms) * (1 if criterion.reduction == 'mean' else pairs)
        loss = term.loss(toy, 1., epoch=0)
        assert (0. if loss is None else loss.item()) == pytest.approx(expected.item())
        assert gradient(toy, loss) == pytest.approx(torch.autograd.grad(
            expected, toy.weights)[0].tolist())
        assert len(toy.asked) == len(met)  # the cost is that of the architectures
        toy.asked.clear()


@pytest.mark.slow
def test_all_pairs_have_the_expectation_of_drawn_pairs_and_vary_less():
    means, deviations = [], []
    for among in ('drawn', 'all'):
        term = make(weight=1., pairs=2, among=among)
        losses = torch.tensor([0. if loss is None else loss.item()
                               for loss in (term.loss(Toy(), 1., 0) for _ in range(2000))])
        means.append(losses.mean().item())
        deviations.append(losses.std().item())
    assert means == pytest.approx([2 * 3 / 6] * 2, abs=0.06)  # 3 in all of the 6 pairs
    assert deviations[1] < 0.9 * deviations[0]


def test_gradient_of_all_pairs():
    term = make(among='all', pairs=2, criterion=PairwiseRankingLoss(activation='softplus'))
    state = term.state_dict()

    def loss(weights):
        term.load_state_dict(state)  # draws the same pairs
        toy = Toy()
        toy.weights = weights
        return term.loss(toy, 1., 0)

    assert torch.autograd.gradcheck(
        loss, torch.tensor([2., 1., 3., 5.], dtype=torch.double, requires_grad=True))


def test_an_inactive_hinge_is_none():
    toy = Toy([-metric for metric in RESULTS.metrics])
    for pairs in (1, None):
        assert make(pairs=pairs).loss(toy, 1., 0) is None


@pytest.mark.parametrize('criterion', [
    PairwiseRankingLoss(activation='softplus', beta=5), PairwiseRankingLoss(margin=1.),
    PairwiseRankingLoss(weighting='gap'), PairwiseRankingLoss(weighting='scaled')],
    ids=lambda criterion: criterion.extra_repr())
@pytest.mark.parametrize('pairs', [1, 3, None])
def test_other_criteria_see_all_landmarks(criterion, pairs):
    toy, drawer = Toy(), PairSampler(0)
    term = make(weight=1., pairs=pairs, criterion=criterion)
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
    term = make(results, weight=1.)
    assert term.loss(toy, 1., 0).item() == 2


@pytest.mark.parametrize('criterion', [
    PairwiseRankingLoss(), PairwiseRankingLoss(activation='softplus'),
    PairwiseRankingLoss(margin=0.5, reduction='mean')], ids=lambda one: one.extra_repr())
def test_backward_passes_of_violated_pairs_only(criterion):
    """Against the plain loss, whose gradient is 0 for the others; here it is never computed."""
    random = torch.Generator().manual_seed(0)
    for _ in range(20):
        toy, visited = Toy(torch.randperm(4, generator=random).tolist()), []
        term = make(weight=1., pairs=2, criterion=criterion, seed=int(toy.weights[0]))
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


def test_landmarks_of_one_metric_have_no_pair(caplog):
    equal = Results(SAMPLES, [0.5] * 4, 'max')
    with pytest.raises(ValueError, match=r'Expected landmarks with different metrics, got 0\.5 '
                                         'of all 4'):
        make(equal)
    toy = Toy()                                      # a search may measure such, and goes on
    term = LandmarkRegularizer().term(TermContext(results=equal))
    assert 'Expected landmarks with different metrics' in caplog.text
    assert term.loss(toy, 1., 9) is None and toy.asked == []


def test_weight_follows_the_schedule():
    toy = Toy()
    schedule = Schedule('linear_increase', warmup=2)
    term = make(weight=8., pairs=None, schedule=schedule)
    for epoch in range(10):
        loss = term.loss(toy, 1., epoch)
        assert term.active(epoch, 10) is (epoch >= 2)
        assert (loss is None) is (epoch < 2)
        if epoch >= 2:
            assert loss.item() == pytest.approx(8 * (epoch - 1) / 8 * 3)
    assert not make(weight=0.).active(5, 10)


def test_default_schedule_is_that_of_the_paper():
    regularizer = LandmarkRegularizer(RESULTS)
    term = regularizer.term(TermContext())
    assert [term.active(epoch, 400) for epoch in (0, 149, 150, 399)] == [False, False, True, True]
    assert (term.weight, regularizer.pairs) == (10., 1)
    assert term.schedule(274, 400) == pytest.approx(0.5 * (1 - math.cos(math.pi * 125 / 250)))


# What a search has measured

def test_results_of_a_search_are_the_landmarks():
    regularizer = LandmarkRegularizer()
    with pytest.raises(ValueError, match='Expected landmarks, got none. Give LandmarkRegularizer'):
        regularizer.term(TermContext())
    term = regularizer.term(TermContext(results=RESULTS))
    assert term.results == RESULTS.in_mode('max')
    assert term.schedule == Schedule()
    more = Results([*SAMPLES, {'op': 'new'}], [*RESULTS.metrics, 0.3])
    term = regularizer.term(TermContext(results=more, warmed_up=True))
    assert term.results == more.in_mode('max')
    assert term.schedule == Schedule(warmup=0)


def test_results_of_a_search_add_to_the_given_ones():
    given = Results(SAMPLES[:2], [0.8, 0.4])
    regularizer = LandmarkRegularizer(given)
    for _ in range(2):  # the second training replaces the first one's results
        term = regularizer.term(TermContext(results=Results(SAMPLES[1:], [0.5, 0.7, 0.1])))
    assert term.results == Results(SAMPLES, [0.8, 0.4, 0.7, 0.1], 'max')
    assert given == Results(SAMPLES[:2], [0.8, 0.4])


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
    assert make(found).results == found
    assert read_results(where, 'min') == Results(
        found.samples, [-one for one in found.metrics], 'max')


# Metrics that are better the lower they are

LOSSES = Results(SAMPLES, [-metric for metric in RESULTS.metrics])


@pytest.mark.parametrize('pairs', [1, 3, None])
def test_losses_give_the_order_of_accuracies(pairs):
    term, other = (make(results, mode=mode, pairs=pairs)
                   for results, mode in ((RESULTS, 'max'), (LOSSES, 'min')))
    assert other.results == RESULTS.in_mode('max')
    for epoch in range(8):
        values = [one.loss(Toy(), 1., epoch) for one in (term, other)]
        assert values[0] == values[1]


def test_losses_with_results_of_a_search():
    """What a search has measured is higher is better already."""
    context = TermContext(results=Results(SAMPLES[1:], [-0.5, -0.7, -0.1]))
    term = make(Results(SAMPLES[:2], [0.8, 0.4]), context, mode='min')
    assert term.results == Results(SAMPLES, [-0.8, -0.4, -0.7, -0.1], 'max')


@pytest.mark.parametrize('mode', ['max', 'min'])
def test_archive_of_a_search_knows_its_mode(mode, tmp_path):
    archive = Archive(tmp_path / 'a.sqlite')
    archive.add_many(LOSSES)
    archive.record_job('evaluation', 'evaluation', {})
    archive.record_result('evaluation', {'digest': 'x', 'mode': 'min'})
    if mode == 'min':
        assert read_results(archive, mode) == RESULTS.in_mode('max')
    else:
        with pytest.raises(ValueError, match="Expected mode 'min' for the metrics of .*a.sqlite, "
                                             "as in its search, got 'max'"):
            read_results(archive, mode)


@pytest.mark.parametrize('create, message', [
    (lambda: make(weight=-1.), 'Expected a weight of at least 0, got -1'),
    (lambda: make(weight=math.nan), 'Expected a weight of at least 0'),
    (lambda: make(pairs=0), 'Expected at least 1 pair per step, or None'),
    (lambda: make(among='some'), "Expected among to be 'drawn' or 'all', got 'some'"),
    (lambda: make(mode='low'), "Expected mode 'max' or 'min', got 'low'"),
    (lambda: read_results(RESULTS, 'low'), "Expected mode 'max' or 'min', got 'low'"),
    (lambda: make(Results(SAMPLES[:1], [1.])),
     'Expected at least 2 landmarks to make a pair, got 1'),
])
def test_errors(create, message):
    with pytest.raises(ValueError, match=message):
        create()
