"""The loss of depth maps: against a naive loop over pixels, and its invariances."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nni_rankreg.loss import ScaleShiftInvariantLoss

QUICK = settings(max_examples=40, deadline=None)
SEEDS = st.integers(0, 10_000)


def maps(seed, count=2, height=9, width=12, valid=0.7):
    generator = torch.Generator().manual_seed(seed)
    prediction, target = torch.randn(2, count, height, width, generator=generator,
                                     dtype=torch.float64)
    mask = torch.rand(count, height, width, generator=generator) < valid
    mask[:, 0, :3] = True
    return prediction, target, mask


def aligned(values, mask):
    """Subtract the (lower) median and divide by the mean absolute deviation, pixel by pixel."""
    inside = sorted(value for row, valid in zip(values, mask) for value, ok in zip(row, valid)
                    if ok)
    median = inside[(len(inside) - 1) // 2]
    spread = np.mean([abs(value - median) for value in inside])
    return [[(value - median) / spread for value in row] for row in values]


def naive(prediction, target, mask, trim, gradient_weight, scales):
    """Return the loss of one image by Eq. 5, 7, 10 and 11, with loops."""
    one, other = aligned(prediction, mask), aligned(target, mask)
    height, width = len(mask), len(mask[0])
    residual = [[one[y][x] - other[y][x] for x in range(width)] for y in range(height)]
    errors = sorted(abs(residual[y][x]) for y in range(height) for x in range(width) if mask[y][x])
    total = sum(errors[:len(errors) - math.floor(trim * len(errors))]) / (2 * len(errors))
    for scale in range(scales):
        step, edges, count = 2 ** scale, 0., 0
        for y in range(0, height, step):
            for x in range(0, width, step):
                count += mask[y][x]
                for other_y, other_x in ((y + step, x), (y, x + step)):
                    if (other_y < height and other_x < width and mask[y][x]
                            and mask[other_y][other_x]):
                        edges += abs(residual[y][x] - residual[other_y][other_x])
        total += gradient_weight * edges / max(1, count)
    return total


@pytest.mark.parametrize('seed', range(3))
@pytest.mark.parametrize('options', [
    {}, dict(trim=0.), dict(trim=0.5), dict(gradient_weight=0.), dict(scales=1),
    dict(trim=0.2, gradient_weight=2., scales=3)], ids=str)
def test_loss_against_a_loop(seed, options):
    prediction, target, mask = maps(seed)
    filled = dict(trim=0.2, gradient_weight=0.5, scales=4) | options
    expected = np.mean([naive(*image, **filled) for image in zip(
        prediction.tolist(), target.tolist(), mask.tolist())])
    loss = ScaleShiftInvariantLoss(**options)(prediction, target, mask)
    assert loss.shape == () and loss.item() == pytest.approx(expected)


@QUICK
@given(SEEDS, st.floats(0.01, 100), st.floats(-100, 100), st.floats(0.01, 100),
       st.floats(-100, 100))
def test_invariance_to_scale_and_shift_of_both(seed, scale, shift, other_scale, other_shift):
    prediction, target, mask = maps(seed)
    loss = ScaleShiftInvariantLoss()
    assert loss(scale * prediction + shift, other_scale * target + other_shift, mask).item() == (
        pytest.approx(loss(prediction, target, mask).item(), rel=1e-6))


@QUICK
@given(SEEDS)
def test_a_scaled_truth_is_perfect_and_nothing_else(seed):
    prediction, target, mask = maps(seed)
    loss = ScaleShiftInvariantLoss()
    assert loss(2 * target - 1, target, mask).item() == pytest.approx(0, abs=1e-12)
    assert loss(-target, target, mask).item() > 0.1 and loss(prediction, target, mask).item() > 0.1


@QUICK
@given(SEEDS)
def test_invalid_pixels_do_not_matter(seed):
    """Whatever is there, also what is no number; and they get no gradient."""
    prediction, target, mask = maps(seed)
    loss = ScaleShiftInvariantLoss()
    expected = loss(prediction, target, mask)
    changed = prediction.masked_fill(~mask, 1e6).requires_grad_()
    other = loss(changed, target.masked_fill(~mask, math.nan), mask)
    other.backward()
    assert other.item() == pytest.approx(expected.item())
    assert changed.grad.isfinite().all() and not changed.grad[~mask].any()
    assert changed.grad[mask].any()


@pytest.mark.parametrize('seed', range(3))
def test_zero_marks_invalid_pixels(seed):
    prediction, target, mask = maps(seed)
    disparity = target.exp() * mask
    torch.testing.assert_close(ScaleShiftInvariantLoss()(prediction, disparity),
                               ScaleShiftInvariantLoss()(prediction, disparity, mask))


def test_the_largest_errors_are_left_out():
    _, target, mask = maps(0, count=1, height=10, width=10, valid=1.)
    wrong = target.clone()
    wrong[0, :2] += torch.linspace(50, 60, 20).view(2, 10)  # 20 %; the spread grows all the same
    trimmed, full = (ScaleShiftInvariantLoss(trim, 0.)(wrong, target, mask).item()
                     for trim in (0.2, 0.))
    assert trimmed < 0.8 * full


def test_images_without_a_valid_pixel_do_not_count():
    prediction, target, mask = maps(1, count=3)
    mask[1] = False
    loss = ScaleShiftInvariantLoss()
    expected = loss(prediction[[0, 2]], target[[0, 2]], mask[[0, 2]])
    torch.testing.assert_close(loss(prediction, target, mask), expected)
    prediction.requires_grad_()
    nothing = loss(prediction, target, torch.zeros_like(mask))
    nothing.backward()
    assert nothing.item() == 0 and not prediction.grad.any()


@pytest.mark.parametrize('value', [0., 3.])
def test_a_constant_prediction_is_finite_and_worse_than_the_truth(value):
    _, target, mask = maps(2)
    prediction = torch.full_like(target, value).requires_grad_()
    loss = ScaleShiftInvariantLoss()(prediction, target, mask)
    loss.backward()
    assert 0.2 < loss.item() < 10 and prediction.grad.isfinite().all()


@pytest.mark.parametrize('options, message', [
    (dict(trim=1.), r'Expected trim in \[0, 1\), got 1'),
    (dict(trim=-0.1), 'Expected trim'),
    (dict(gradient_weight=-1.), 'Expected a gradient_weight of at least 0, got -1'),
    (dict(scales=0), 'Expected scales of at least 1, got 0')])
def test_wrong_parameters(options, message):
    with pytest.raises(ValueError, match=message):
        ScaleShiftInvariantLoss(**options)


@pytest.mark.parametrize('shapes, dtype, message', [
    (((2, 3, 4), (2, 3, 5), (2, 3, 4)), torch.bool, r'one shape \(B, H, W\), got \(2, 3, 4\), '),
    (((2, 3, 4), (2, 3, 4), (2, 1, 4)), torch.bool, r'and \(2, 1, 4\)'),
    (((2, 1, 3, 4),) * 3, torch.bool, r'one shape \(B, H, W\)'),
    (((2, 3, 4),) * 3, torch.float, 'Expected a boolean mask, got torch.float32')])
def test_wrong_maps(shapes, dtype, message):
    prediction, target, mask = map(torch.ones, shapes)
    with pytest.raises(ValueError, match=message):
        ScaleShiftInvariantLoss()(prediction, target, mask.to(dtype))
