"""Average pooling against PyTorch's own."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import avg_pool2d

from nni_rankreg.space.average_pool import AveragePool3x3, _weights


@pytest.mark.parametrize('size', [(1, 1), (1, 4), (2, 2), (5, 3), (16, 16)])
@pytest.mark.parametrize('dtype, error', [
    (torch.float32, 1e-6), (torch.float64, 1e-12), (torch.bfloat16, 0.03)])
def test_means(size, dtype, error):
    images = torch.randn(2, 3, *size).to(dtype)
    expected = avg_pool2d(images, 3, 1, 1, count_include_pad=False)
    torch.testing.assert_close(AveragePool3x3()(images), expected, rtol=error, atol=error)


def test_layouts():
    images = torch.randn(2, 3, 6, 5).to(memory_format=torch.channels_last)
    for view in (images, images.transpose(2, 3), images[:, :, ::2, 1:]):
        expected = avg_pool2d(view, 3, 1, 1, count_include_pad=False)
        torch.testing.assert_close(AveragePool3x3()(view), expected)


def test_gradients():
    images = torch.randn(2, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(AveragePool3x3(), images)
    assert torch.autograd.gradgradcheck(AveragePool3x3(), images)


def test_first_use_in_inference_mode():
    _weights.cache_clear()
    images = torch.randn(1, 1, 3, 3, requires_grad=True)
    with torch.inference_mode():
        AveragePool3x3()(images)
    AveragePool3x3()(images * 2).sum().backward()
    assert images.grad is not None
