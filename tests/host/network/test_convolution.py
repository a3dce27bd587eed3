"""Convolutions of all arguments: what is trained is what is exported."""

from __future__ import annotations

import pytest
import torch
from nni import choice
from nni.nas.nn.pytorch import LayerChoice, ModelSpace, MutableConv2d
from nni.nas.strategy import RandomOneShot
from torch import nn

from nni_rankreg.host.network.activation import Activator
from nni_rankreg.host.network.subnet import extract
from nni_rankreg.strategy import SPOS

KERNELS = [(3, 3), (1, 5), (5, 1)]


class Net(ModelSpace):
    """One convolution, of any of three kernels."""

    def __init__(self):
        super().__init__()
        self.conv = MutableConv2d(3, 4, kernel_size=choice('kernel', KERNELS))
        self.after = LayerChoice([nn.ReLU(), nn.Tanh()], label='after')

    def forward(self, x):
        return self.after(self.conv(x)).mean((2, 3))


@pytest.mark.parametrize('kernel', KERNELS)
def test_each_kernel_is_trained_and_exported(kernel):
    supernet, x = SPOS().mutate_model(Net()), torch.randn(2, 3, 8, 8)
    assert supernet.conv.weight.shape == (4, 3, 5, 5)
    sample = {'kernel': kernel, 'after': 1}
    Activator(supernet)(sample)
    network = extract(supernet, sample)
    assert network.conv.weight.shape[2:] == kernel == network.conv.kernel_size
    torch.testing.assert_close(network(x), supernet(x))


def test_guard_nni_takes_the_largest_tuple():
    assert RandomOneShot().mutate_model(Net()).conv.weight.shape == (4, 3, 5, 1)


class Reflected(ModelSpace):
    """Two kernels with reflected borders."""

    def __init__(self):
        super().__init__()
        kernel = choice('kernel', [1, 5])
        self.conv = MutableConv2d(3, 4, kernel, padding=kernel // 2, padding_mode='reflect')


def test_guard_nni_pads_for_the_largest_kernel():
    supernet, x = RandomOneShot().mutate_model(Reflected()), torch.randn(2, 3, 8, 8)
    supernet.conv.resample({'kernel': 1})
    assert supernet.conv(x).shape == (2, 4, 12, 12)
    Activator(ours := SPOS().mutate_model(Reflected()))({'kernel': 1})
    assert ours.conv(x).shape == (2, 4, 8, 8)


class Grouped(ModelSpace):
    """Groups of 8 channels."""

    def __init__(self):
        super().__init__()
        width = choice('width', [8, 16])
        self.conv = MutableConv2d(width, width, 3, groups=width // 8)


def test_guard_nni_leaves_no_group():
    with pytest.raises(ValueError, match='groups must be a positive integer'):
        RandomOneShot().mutate_model(Grouped())
    conv = SPOS().mutate_model(Grouped()).conv
    assert conv.groups == 2 and conv.weight.shape == (16, 8, 3, 3)


class Lists(ModelSpace):
    """A kernel as a list."""

    def __init__(self):
        super().__init__()
        self.conv = MutableConv2d(3, choice('width', [2, 4]), [3, 1])


def test_guard_nni_takes_no_lists():
    supernet = RandomOneShot().mutate_model(Lists())
    supernet.conv.resample({'width': 2})
    with pytest.raises(TypeError, match='Unsupported value type'):
        supernet.conv(torch.randn(2, 3, 8, 8))
