"""Batch normalisations without weights; `test_operation` compares what they return."""

from __future__ import annotations

import pytest
import torch
from nni import choice
from nni.nas.nn.pytorch import ModelSpace, MutableBatchNorm2d
from nni.nas.strategy import RandomOneShot

from nni_rankreg.host.network.activation import Activator
from nni_rankreg.host.network.subnet import extract
from nni_rankreg.strategy import SPOS


class Net(ModelSpace):
    """Two widths of a batch normalisation without weights."""

    def __init__(self):
        super().__init__()
        self.norm = MutableBatchNorm2d(choice('width', [2, 4]), affine=False)


@pytest.mark.parametrize('width', [2, 4])
def test_each_width_is_exported(width):
    supernet, x = SPOS().mutate_model(Net()), torch.randn(3, width, 5, 5)
    Activator(supernet)({'width': width})
    torch.testing.assert_close(extract(supernet, {'width': width}).norm(x), supernet.norm(x))
    network, supernet = extract(supernet, {'width': width}).eval(), supernet.eval()
    assert network.norm.running_mean.abs().min() > 0
    torch.testing.assert_close(network.norm(x), supernet.norm(x))



def test_guard_nni_takes_slices_of_nothing():
    supernet = RandomOneShot().mutate_model(Net())
    supernet.norm.resample({'width': 2})
    with pytest.raises(TypeError, match='not subscriptable'):
        supernet.norm(torch.randn(3, 2, 5, 5))
