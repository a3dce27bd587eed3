"""Networks as ONNX Runtime runs them: they give what PyTorch gives."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from helpers.places import ROOT

from nni_rankreg.constraint import MeasuredLatency
from nni_rankreg.constraint.measured.backend import BACKENDS
from nni_rankreg.proxy.network import NetworkFactory
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.space import NasBench201, ProxylessNAS, ResNet48

sys.path.append(str(ROOT / 'examples'))
from own_space import ConvNet

pytest.importorskip('onnx', reason='onnx is not installed: nni_rankreg[onnx]')
pytest.importorskip('onnxruntime', reason='onnxruntime is not installed: nni_rankreg[onnx]')


@pytest.mark.parametrize('space, pixels', [
    (NasBench201(4, 1), 8), (ProxylessNAS(10, (8,) * 9, (1, 1, 2, 1, 1, 1)), 32),
    (ResNet48(10, (16, 16, 24, 24), ((1, 2), (1, 2), (1, 3), (1, 1))), 32), (ConvNet(), 8)])
def test_outputs_are_those_of_pytorch(space, pixels):
    image = torch.randn(1, 3, pixels, pixels)
    network = NetworkFactory(space)(UniformSampler(space).sample()).eval()
    found, = BACKENDS['onnxruntime'](network, [image], 1)()
    with torch.no_grad():
        np.testing.assert_allclose(found, network(image).numpy(), atol=1e-5)


def test_a_space_is_measured(tmp_path):
    latency = MeasuredLatency(NasBench201(4, 1), (3, 8, 8), backend='onnxruntime', networks=10,
                              repeats=1, progress=False, file=tmp_path / 'a.csv').measure()
    assert not latency.table.names('part') and latency.table.about['backend'] == 'onnxruntime'
    again = MeasuredLatency.read(tmp_path / 'a.csv', NasBench201(4, 1))
    samples = UniformSampler(NasBench201(4, 1)).distinct(3)
    torch.testing.assert_close(again(samples), latency(samples), rtol=1e-4, atol=0)
    assert (latency(samples) > 0).all()


def test_a_device_that_it_has_not(tmp_path):
    with pytest.raises(ValueError, match='Expected the device cpu for the back-end onnxruntime'):
        from nni_rankreg.constraint.measured.backend import check_backend
        check_backend('onnxruntime', torch.device('cuda'))
