"""Depth metrics against scipy's least squares, pixel by pixel."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg

from nni_rankreg.metric import align_least_squares, aligned_delta, aligned_rmse

QUICK = settings(max_examples=40, deadline=None)
SEEDS = st.integers(0, 10_000)


def maps(seed, count=3, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    prediction = torch.randn(count, 7, 8, generator=generator, dtype=dtype)
    target = (0.5 * prediction + torch.randn(prediction.shape, generator=generator)).exp()
    mask = torch.rand(prediction.shape, generator=generator) < 0.6
    mask[:, 0, :3] = True
    return prediction, target.to(dtype), mask


def scipy_aligned(prediction, target, mask):
    """Return one image in scale and shift of the truth, by scipy."""
    inside = prediction[mask].double().numpy()
    matrix = np.stack([inside, np.ones_like(inside)], axis=1)
    scale, shift = linalg.lstsq(matrix, target[mask].double().numpy())[0]
    return scale * prediction.double().numpy() + shift


@pytest.mark.parametrize('dtype', [torch.float64, torch.float32])
@pytest.mark.parametrize('seed', range(5))
def test_alignment_is_that_of_scipy(seed, dtype):
    prediction, target, mask = maps(seed, dtype=dtype)
    found = align_least_squares(prediction, target, mask)
    for image, *arguments in zip(found, prediction, target, mask):
        np.testing.assert_allclose(image, scipy_aligned(*arguments), rtol=1e-9)


@pytest.mark.parametrize('offset', [1e3, -1e5])
def test_alignment_is_stable_far_from_zero(offset):
    prediction, target, mask = maps(6)
    torch.testing.assert_close(align_least_squares(prediction + offset, target, mask),
                               align_least_squares(prediction, target, mask), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize('seed', range(5))
def test_metrics_against_a_loop(seed):
    prediction, target, mask = maps(seed)
    errors, shares = [], []
    for one, truth, valid in zip(prediction, target, mask):
        pairs = list(zip(scipy_aligned(one, truth, valid)[valid], truth[valid].tolist()))
        errors.append(math.sqrt(np.mean([(a - b) ** 2 for a, b in pairs])))
        shares.append(np.mean([a > 0 and max((1 / a) / (1 / b), (1 / b) / (1 / a)) < 1.6
                               for a, b in pairs]))
    assert aligned_rmse(prediction, target, mask).tolist() == pytest.approx(errors)
    found = aligned_delta(prediction, target, mask, threshold=1.6)
    assert found.tolist() == pytest.approx(shares) and 0 < found.min() < found.max() < 1


@QUICK
@given(SEEDS, st.floats(0.01, 100), st.floats(-100, 100), st.sampled_from([1, -1]))
def test_invariance_to_scale_and_shift_of_the_prediction(seed, scale, shift, sign):
    prediction, target, mask = maps(seed)
    changed = sign * scale * prediction + shift
    for metric in (aligned_rmse, aligned_delta):
        torch.testing.assert_close(metric(changed, target, mask), metric(prediction, target, mask),
                                   rtol=1e-6, atol=1e-8)


@QUICK
@given(SEEDS, st.floats(0.1, 10))
def test_errors_are_in_the_unit_of_the_truth(seed, scale):
    prediction, target, mask = maps(seed)
    torch.testing.assert_close(aligned_rmse(prediction, scale * target, mask),
                               scale * aligned_rmse(prediction, target, mask))


@QUICK
@given(SEEDS)
def test_no_other_scale_and_shift_is_better(seed):
    prediction, target, mask = maps(seed)
    best = aligned_rmse(prediction, target, mask)
    generator = torch.Generator().manual_seed(seed)
    for scale, shift in torch.randn(10, 2, generator=generator).tolist():
        errors = (scale * prediction + shift - target).masked_fill(~mask, 0)
        other = (errors.square().sum((1, 2)) / mask.sum((1, 2))).sqrt()
        assert (other >= best - 1e-12).all()


@QUICK
@given(SEEDS)
def test_invalid_pixels_do_not_matter(seed):
    prediction, target, mask = maps(seed)
    others = prediction.masked_fill(~mask, math.nan), target.masked_fill(~mask, -math.inf)
    for metric in (aligned_rmse, aligned_delta):
        torch.testing.assert_close(metric(*others, mask), metric(prediction, target, mask))


@pytest.mark.parametrize('value', [0., 0.1, 7.])
def test_a_constant_prediction_becomes_the_mean(value):
    _, target, mask = maps(3, dtype=torch.float32)
    prediction = torch.full_like(target, value)
    spread = torch.stack([truth[valid].double().std(correction=0)
                          for truth, valid in zip(target, mask)])
    torch.testing.assert_close(aligned_rmse(prediction, target, mask), spread)


def test_an_image_without_a_valid_pixel_has_no_metric():
    prediction, target, mask = maps(4)
    mask[1] = False
    for metric in (aligned_rmse, aligned_delta):
        assert metric(prediction, target, mask).isnan().tolist() == [False, True, False]


def test_zero_marks_invalid_pixels():
    prediction, target, mask = maps(5)
    for metric in (aligned_rmse, aligned_delta):
        torch.testing.assert_close(metric(prediction, target * mask),
                                   metric(prediction, target, mask))


@pytest.mark.parametrize('metric', [align_least_squares, aligned_rmse, aligned_delta])
def test_wrong_maps(metric):
    with pytest.raises(ValueError, match=r'one shape \(B, H, W\), got \(2, 3\)'):
        metric(torch.ones(2, 3), torch.ones(2, 3))


def test_wrong_threshold():
    with pytest.raises(ValueError, match='Expected a threshold above 1, got 1'):
        aligned_delta(torch.ones(1, 2, 2), torch.ones(1, 2, 2), threshold=1.)
