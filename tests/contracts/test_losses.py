"""What every loss promises. A new one is a line in `LOSSES`; one that is missing there is found."""

from __future__ import annotations

import inspect
import itertools
import re
from functools import partial

import pytest
import torch
from helpers.members import add_member, members
from torch import nn
from torch.autograd import gradcheck

from nni_rankreg import loss as room
from nni_rankreg.loss import (
    LambdaRankLoss,
    MeanSquaredLoss,
    PairwiseRankingLoss,
    RankNetLoss,
    ScaleShiftInvariantLoss,
)

LOSSES = {
    'PairwiseRankingLoss': [
        PairwiseRankingLoss(activation=activation, weighting=weighting, reduction=reduction,
                            margin=margin)
        for activation, weighting, (reduction, margin) in itertools.product(
            ('relu', 'softplus', 'tanh_relu', 'focal'), ('none', 'gap', 'scaled'),
            [('sum', .3), ('mean', 0.)])],
    'LambdaRankLoss': [LambdaRankLoss(), LambdaRankLoss(sigma=2.5, truncation=3),
                       LambdaRankLoss(positions='published')],
    'RankNetLoss': [RankNetLoss(), RankNetLoss(sigma=.5)],
    'MeanSquaredLoss': [MeanSquaredLoss()],
    'ScaleShiftInvariantLoss': [ScaleShiftInvariantLoss(scales=2),
                                ScaleShiftInvariantLoss(.1, 0.)],
}
ALL = [one for forms in LOSSES.values() for one in forms]
OF_SCORES = [one for one in ALL if not isinstance(one, ScaleShiftInvariantLoss)]
# The squared error is the control: it compares values, not orders.
OF_ORDER = [one for one in OF_SCORES if not isinstance(one, MeanSquaredLoss)]
every_loss = pytest.mark.parametrize('loss', ALL, ids=str)
every_loss_of_scores = pytest.mark.parametrize('loss', OF_SCORES, ids=str)
every_loss_of_order = pytest.mark.parametrize('loss', OF_ORDER, ids=str)

MASK = torch.ones(3, 7, dtype=torch.bool)
MASK[0, 5:] = MASK[2, :2] = False
PARTS = {  # what a loss takes besides the prediction and the truth: a part of what there is
    PairwiseRankingLoss: torch.tensor([[0, 1], [5, 2], [3, 3], [0, 1]]),
    ScaleShiftInvariantLoss: torch.rand(1, 4, 5, generator=torch.Generator().manual_seed(3)) < .7,
}


def missing():
    return (members(room, lambda one: inspect.isclass(one) and issubclass(one, nn.Module)).keys()
            ^ LOSSES.keys())


def test_none_is_missing(monkeypatch):
    assert not missing()
    add_member(monkeypatch, room.pairwise, 'OtherLoss', type('OtherLoss', (nn.Module,), {}))
    assert missing() == {'OtherLoss'}


def inputs(loss, seed=0):
    """Return a prediction and the truth in float64; some truths are tied."""
    draw = partial(torch.rand, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    if isinstance(loss, ScaleShiftInvariantLoss):
        return draw(1, 4, 5), draw(1, 4, 5)
    shape = (7,) if isinstance(loss, PairwiseRankingLoss) else (3, 7)
    return 4 * draw(shape) - 2, draw(shape).mul(5).round()


def part(loss):
    return PARTS.get(type(loss), MASK)


def gradient(loss, prediction, *others):
    prediction = prediction.clone().requires_grad_()
    loss(prediction, *others).backward()
    return prediction.grad


# Numbers and gradients

@every_loss
@pytest.mark.parametrize('dtype', [torch.float, torch.double])
def test_a_scalar_of_the_type_of_the_prediction(loss, dtype):
    """The truth of scores may have another type; gradients reach the prediction only."""
    prediction, truth = inputs(loss)
    prediction = prediction.to(dtype).requires_grad_()
    truth = (truth if loss in OF_SCORES else truth.to(dtype)).requires_grad_()
    value = loss(prediction, truth)
    value.backward()
    assert value.shape == () and value.dtype == dtype and value.isfinite() and value > 0
    assert prediction.grad.isfinite().all() and prediction.grad.any() and truth.grad is None


@every_loss
@pytest.mark.parametrize('whole', [True, False])
def test_gradcheck(loss, whole):
    prediction, truth = inputs(loss)
    others = () if whole else (part(loss),)
    assert loss(prediction, truth, *others) > 0
    assert gradcheck(lambda prediction: loss(prediction, truth, *others),
                     prediction.requires_grad_())


@every_loss
def test_the_inputs_are_left_as_they_are(loss):
    given = *inputs(loss), part(loss)
    copies = [one.clone() for one in given]
    loss(*given)
    assert all(map(torch.equal, given, copies))


@every_loss_of_scores
def test_integer_truths(loss):
    scores, targets = inputs(loss)
    assert loss(scores, targets.to(torch.uint8)).item() == pytest.approx(
        loss(scores, targets).item())


@every_loss
def test_nothing_to_compare_is_a_differentiable_zero(loss):
    if isinstance(loss, ScaleShiftInvariantLoss):
        cases = [(torch.rand(1, 4, 5), torch.zeros(1, 4, 5)), (torch.ones(0, 4, 5),) * 2]
    elif isinstance(loss, PairwiseRankingLoss):
        cases = [(torch.zeros(0),) * 2, (torch.ones(1),) * 2, (torch.rand(3), torch.ones(3))]
    else:
        cases = [(torch.zeros(shape),) * 2 for shape in [(0,), (0, 5), (5, 0)]]
        if not isinstance(loss, MeanSquaredLoss):
            alike = [[0., 0., 0.], [7., 7., 7.], [3.]]
            cases += [(torch.rand(len(one)), torch.tensor(one)) for one in alike]
            cases += [(torch.rand(1, len(one)), torch.tensor([one])) for one in alike]
    for prediction, truth in cases:
        prediction = prediction.clone().requires_grad_()
        value = loss(prediction, truth)
        value.backward()
        assert value.shape == () and value.item() == 0.
        assert torch.equal(prediction.grad, torch.zeros_like(prediction))


# Order

@every_loss
def test_the_truth_is_best(loss):
    """Far apart, as a margin asks for; some losses then still have a small value."""
    prediction, truth = inputs(loss)
    exact = loss(truth, truth).item()
    assert exact <= loss(prediction, truth).item() and exact < loss(-truth, truth).item()
    if isinstance(loss, (MeanSquaredLoss, ScaleShiftInvariantLoss)):
        assert exact == 0.


@every_loss_of_scores
def test_the_right_order_is_best(loss):
    targets = torch.arange(5.)
    orders = torch.tensor(list(itertools.permutations(range(5)))).float()
    values = [loss(one, targets).item() for one in orders]
    assert values[0] == min(values) and values[-1] == max(values)


@every_loss_of_scores
def test_the_order_of_architectures_is_irrelevant(loss):
    scores, targets = inputs(loss)
    targets = targets + torch.linspace(0, .5, 7)            # 'published' orders ties
    expected, order = loss(scores, targets).item(), torch.tensor([3, 0, 6, 1, 5, 4, 2])
    assert loss(scores[..., order], targets[..., order]).item() == pytest.approx(expected)
    if scores.ndim == 2:
        assert loss(scores.flip(0), targets.flip(0)).item() == pytest.approx(expected)


@every_loss_of_scores
def test_the_order_of_tied_architectures_is_irrelevant(loss):
    """To exchange their scores changes nothing."""
    targets = torch.tensor([1., 2., 2., 3., 2.])
    scores = torch.tensor([.3, -.2, .9, .1, .4], dtype=torch.float64)
    values = [loss(scores[[0, first, second, 3, third]], targets).item()
              for first, second, third in itertools.permutations([1, 2, 4])]
    alike = values == pytest.approx(values[:1] * 6)
    assert alike is (getattr(loss, 'positions', None) != 'published')


@every_loss_of_order
def test_a_shift_of_the_scores_is_irrelevant(loss):
    scores, targets = inputs(loss)
    assert loss(scores + 7.5, targets).item() == pytest.approx(loss(scores, targets).item())


# Arguments

@every_loss
@pytest.mark.parametrize('shapes', [((2,), (3,)), ((1, 2, 3, 4),) * 2])
def test_other_shapes_are_refused(loss, shapes):
    first, second = map(re.escape, map(str, shapes))
    with pytest.raises(ValueError, match=f'one shape .*, got {first}(, | and ){second}'):
        loss(*map(torch.ones, shapes))


@every_loss_of_scores
def test_what_is_no_number_is_refused(loss):
    with pytest.raises(ValueError, match='Expected floating-point scores, got torch.int64'):
        loss(torch.ones(2).long(), torch.ones(2))
    with pytest.raises(ValueError, match='Expected finite targets, got NaN'):
        loss(torch.ones(2), torch.tensor([1., torch.nan]))


@every_loss
def test_the_text_makes_the_same_loss(loss):
    text = repr(loss)
    assert all(f'{one.name}=' in text for one in inspect.signature(type(loss)).parameters.values()
               if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD))
    assert repr(eval(text, {type(loss).__name__: type(loss)})) == text
