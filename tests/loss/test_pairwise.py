"""Tests of `nni_rankreg.loss.pairwise`."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nni_rankreg.loss import PairwiseRankingLoss

ACTIVATIONS = ('relu', 'softplus', 'tanh_relu', 'focal')
WEIGHTINGS = ('none', 'gap', 'scaled')
every_form = pytest.mark.parametrize(
    'activation, weighting', list(itertools.product(ACTIVATIONS, WEIGHTINGS)))


def double(values):
    return torch.tensor(values, dtype=torch.float64)


def random_case(size=7, seed=0):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(size, dtype=torch.float64, generator=generator)
    targets = torch.randn(size, dtype=torch.float64, generator=generator).mul(2).round().div(2)
    return scores, targets  # targets are rounded, so some are tied


def activate(name, x, beta, gamma):
    sigmoid = 1 / (1 + math.exp(-x))
    return {
        'relu': max(0., x),
        'softplus': math.log(1 + math.exp(beta * x)) / beta,
        'tanh_relu': max(0., math.tanh(x)),
        'focal': -sigmoid ** gamma * math.log(1 - sigmoid),
    }[name]


def naive_loss(scores, targets, pairs=None, *, margin=0., activation='relu', beta=1., gamma=5.,
               weighting='none', reduction='sum'):
    """Compute the loss pair by pair in plain Python."""
    total, count = 0., 0
    for i, j in itertools.combinations(range(len(scores)), 2) if pairs is None else pairs:
        if targets[i] == targets[j]:
            continue
        better, worse = (i, j) if targets[i] > targets[j] else (j, i)
        gap = targets[better] - targets[worse]
        d = scores[worse] - scores[better]
        term = activate(activation, margin + (d * gap if weighting == 'scaled' else d), beta, gamma)
        total += term * (gap / (max(targets) - min(targets)) if weighting == 'gap' else 1.)
        count += 1
    return total / max(1, count) if reduction == 'mean' else total


@st.composite
def cases(draw):
    """Return losses of a super-net, targets with ties, and pairs of indices."""
    size = draw(st.integers(1, 7))
    losses = draw(st.lists(st.floats(-5, 5), min_size=size, max_size=size))
    targets = draw(st.lists(st.integers(0, 4).map(lambda x: x / 4), min_size=size, max_size=size))
    index = st.integers(0, size - 1)
    return losses, targets, draw(st.lists(st.tuples(index, index), max_size=6))


@settings(deadline=None)
@given(cases())
def test_equation_4_sorted_by_true_loss(case):
    losses, targets, _ = case
    # The equation as printed: architectures sorted by ascending true loss, i < j: i is better.
    # Equal targets are not part of it, so the true order is made strict here.
    targets = [target + 1e-3 * index for index, target in enumerate(targets)]
    ranked = [loss for _, loss in sorted(zip(targets, losses), reverse=True)]
    expected = sum(max(0., ranked[i] - ranked[j])
                   for i in range(len(ranked)) for j in range(i + 1, len(ranked)))
    assert PairwiseRankingLoss()(-double(losses), double(targets)).item() == pytest.approx(expected)


@settings(deadline=None)
@given(cases())
def test_equation_6_given_pairs(case):
    losses, targets, pairs = case
    expected = 0.
    for i, j in pairs:
        if targets[i] > targets[j]:
            expected += max(0., losses[i] - losses[j])
        elif targets[j] > targets[i]:
            expected += max(0., losses[j] - losses[i])
    indices = torch.tensor(pairs, dtype=torch.long).reshape(-1, 2)
    got = PairwiseRankingLoss()(-double(losses), double(targets), indices)
    assert got.item() == pytest.approx(expected)


@every_form
@pytest.mark.parametrize('reduction', ['sum', 'mean'])
@settings(deadline=None, max_examples=20)
@given(cases(), st.floats(0, 2), st.floats(0.5, 7), st.floats(0, 5), st.booleans())
def test_equals_double_loop(activation, weighting, reduction, case, margin, beta, gamma, listed):
    scores, targets, pairs = case
    options = {'margin': margin, 'activation': activation, 'beta': beta, 'gamma': gamma,
               'weighting': weighting, 'reduction': reduction}
    indices = torch.tensor(pairs, dtype=torch.long).reshape(-1, 2) if listed else None
    got = PairwiseRankingLoss(**options)(double(scores), double(targets), indices).item()
    expected = naive_loss(scores, targets, pairs if listed else None, **options)
    # softplus is taken as linear beyond 20 / beta, an error below 2.1e-9 / beta a pair.
    assert got == pytest.approx(expected, rel=1e-8, abs=2e-7)


@every_form
@pytest.mark.parametrize('targets, pairs', [
    ([1., 2., 2.], [[1, 2], [2, 1], [0, 0]]),  # ties and a pair with itself
    ([1., 2., 3.], []),
])
@pytest.mark.parametrize('reduction', ['sum', 'mean'])
def test_pairs_without_order_give_a_differentiable_zero(activation, weighting, reduction, targets,
                                                        pairs):
    scores = torch.arange(float(len(targets)), requires_grad=True)
    indices = torch.tensor(pairs, dtype=torch.long).reshape(-1, 2)
    loss = PairwiseRankingLoss(
        margin=1., activation=activation, weighting=weighting, reduction=reduction)
    value = loss(scores, torch.tensor(targets), indices)
    assert value.shape == () and value.item() == 0.
    value.backward()
    assert torch.equal(scores.grad, torch.zeros(len(targets)))


@every_form
def test_ties_add_nothing(activation, weighting):
    scores, targets = double([.3, -.2, .9, .1]), double([1., 2., 2., 3.])
    loss = PairwiseRankingLoss(activation=activation, weighting=weighting)
    untied = torch.tensor([[0, 1], [0, 2], [0, 3], [1, 3], [2, 3]])
    assert loss(scores, targets).item() == pytest.approx(loss(scores, targets, untied).item())
    mean = PairwiseRankingLoss(activation=activation, weighting=weighting, reduction='mean')
    assert mean(scores, targets).item() == pytest.approx(loss(scores, targets).item() / 5)


@every_form
def test_order_in_a_pair_and_of_pairs_is_irrelevant(activation, weighting):
    scores, targets = random_case()
    loss = PairwiseRankingLoss(activation=activation, weighting=weighting, margin=.1)
    pairs = torch.tensor([[0, 1], [5, 2], [3, 6]])
    expected = loss(scores, targets, pairs).item()
    assert expected > 0
    assert loss(scores, targets, pairs.flip(1)).item() == pytest.approx(expected)
    assert loss(scores, targets, pairs.flip(0).int()).item() == pytest.approx(expected)


@every_form
def test_a_shift_of_the_targets_is_irrelevant(activation, weighting):
    scores, targets = random_case()
    loss = PairwiseRankingLoss(activation=activation, weighting=weighting)
    assert loss(scores, targets - 3.).item() == pytest.approx(loss(scores, targets).item())


def test_scale_of_targets():
    scores, targets = random_case()
    for weighting, factor in (('none', 1.), ('gap', 1.), ('scaled', 10.)):
        loss = PairwiseRankingLoss(weighting=weighting)
        assert loss(scores, 10 * targets).item() == pytest.approx(
            factor * loss(scores, targets).item())


def test_gap_is_normalised_by_all_targets():
    loss = PairwiseRankingLoss(weighting='gap')
    value = loss(double([1., 0., 0.]), double([0., 1., 4.]), torch.tensor([[0, 1]]))
    assert value.item() == pytest.approx(1. * 1 / 4)


def test_direction():
    targets = double([1., 2., 3.])
    right, wrong = double([10., 20., 30.]), double([30., 20., 10.])
    assert PairwiseRankingLoss()(right, targets) == 0.
    assert PairwiseRankingLoss()(wrong, targets) == 10. + 10. + 20.
    assert PairwiseRankingLoss(margin=15.)(right, targets) == 5. + 5.


@pytest.mark.parametrize('pairs', [None, [[0, 1], [2, 3], [1, 4], [1, 4]]])
def test_mean_is_sum_over_ordered_pairs(pairs):
    scores, targets = random_case()
    assert len(targets.unique()) < len(targets)
    indices = None if pairs is None else torch.tensor(pairs)
    rows = list(itertools.combinations(range(len(targets)), 2)) if pairs is None else pairs
    count = sum(bool(targets[i] != targets[j]) for i, j in rows)
    total = PairwiseRankingLoss(activation='softplus')(scores, targets, indices)
    mean = PairwiseRankingLoss(activation='softplus', reduction='mean')(scores, targets, indices)
    assert mean.item() == pytest.approx(total.item() / count)


@settings(deadline=None)
@given(st.floats(-30, 30))
def test_published_crossentropy_equals_softplus(d):
    # -log(1 - sigmoid(d)), where 1 - sigmoid(d) is written as sigmoid(-d) to keep its digits.
    expected = -math.log(1 / (1 + math.exp(d)))
    loss = PairwiseRankingLoss(activation='softplus')
    got = loss(double([d, 0.]), double([0., 1.])).item()
    assert got == pytest.approx(expected, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize('beta', [3., 5., 7.])
def test_softplus_tends_to_relu(beta):
    scores, targets = double([0., 2.]), double([1., 0.])
    got = PairwiseRankingLoss(activation='softplus', beta=beta)(scores, targets).item()
    assert got == pytest.approx(math.log1p(math.exp(2 * beta)) / beta) and got > 2.


@every_form
@pytest.mark.parametrize('gamma', [0., 0.5, 5.])
def test_extreme_scores_stay_finite(activation, weighting, gamma):
    scores = torch.tensor([-1e4, 0., 1e4, 200.], requires_grad=True)
    loss = PairwiseRankingLoss(activation=activation, weighting=weighting, gamma=gamma)
    value = loss(scores, torch.tensor([.1, .2, .3, .4]))
    value.backward()
    assert value.isfinite() and scores.grad.isfinite().all()


@pytest.mark.parametrize('dtype', [torch.uint8, torch.bool, torch.int64])
@pytest.mark.parametrize('weighting', WEIGHTINGS)
def test_integer_targets(dtype, weighting):
    scores, targets = double([.5, .1, .7]), torch.tensor([0, 1, 1]).to(dtype)
    loss = PairwiseRankingLoss(weighting=weighting)
    assert loss(scores, targets).item() == pytest.approx(.4)


@pytest.mark.parametrize('options, message', [
    ({'activation': 'gelu'},
     "Expected activation to be one of relu, softplus, tanh_relu, focal, got 'gelu'"),
    ({'weighting': 'embed'}, "Expected weighting to be one of none, gap, scaled, got 'embed'"),
    ({'reduction': 'none'}, "Expected reduction to be one of sum, mean, got 'none'"),
    ({'margin': -1.}, 'Expected margin to be finite and >= 0, got -1.0'),
    ({'margin': math.inf}, 'Expected margin to be finite and >= 0, got inf'),
    ({'gamma': -1.}, 'Expected gamma to be finite and >= 0, got -1.0'),
    ({'beta': 0.}, 'Expected beta to be finite and > 0, got 0.0'),
    ({'beta': math.nan}, 'Expected beta to be finite and > 0, got nan'),
])
def test_bad_parameters(options, message):
    with pytest.raises(ValueError, match=message):
        PairwiseRankingLoss(**options)


@pytest.mark.parametrize('scores, targets, pairs, message', [
    (torch.ones(2, 1), torch.ones(2, 1), None, r'one shape \(N,\), got \(2, 1\) and \(2, 1\)'),
    (torch.ones(3), torch.ones(3), torch.tensor([0, 1]), r'pairs of shape \(m, 2\), got .* \(2,\)'),
    (torch.ones(3), torch.ones(3), torch.ones(2, 3).long(), r'shape \(m, 2\), got .* \(2, 3\)'),
    (torch.ones(3), torch.ones(3), torch.ones(1, 2), 'Expected integer pairs .* got torch.float32'),
    (torch.ones(3), torch.ones(3), torch.tensor([[0, 3]]), r'pairs in 0\.\.2, got 0\.\.3'),
    (torch.ones(3), torch.ones(3), torch.tensor([[1, -1]]), r'pairs in 0\.\.2, got -1\.\.1'),
])
def test_bad_input(scores, targets, pairs, message):
    with pytest.raises(ValueError, match=message):
        PairwiseRankingLoss()(scores, targets, pairs)
