"""All proxies on the spaces of NNI's hub."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from nni_rankreg.proxy import PROXIES, NetworkFactory, ProxyError, ProxyScorer
from nni_rankreg.sampler import UniformSampler

pytestmark = pytest.mark.slow


@pytest.mark.parametrize('space', ['NasBench201', 'DARTS', 'ENAS', 'ProxylessNAS', 'MobileNetV3',
                                   'ShuffleNet', 'AutoFormer'])
def test_hub_spaces(space, make_space, make_batches):
    space = make_space(space)
    images, _ = make_batches([4], pixels=32)[0]
    batch, found = (images, torch.tensor([0, 1, 1, 0])), {}
    samples = UniformSampler(space, seed=0).distinct(1)
    network = NetworkFactory(space)(samples[0])
    for name in PROXIES:
        scorer = ProxyScorer(name, space, batch)
        try:
            found[name], = scorer(samples).tolist()
        except ProxyError as error:
            assert name == 'naswot' and 'nn.ReLU' in str(error)
            assert not any(isinstance(one, nn.ReLU) for one in network.modules())
    assert len(found) >= 12
    assert found['params'] == sum(one.numel() for one in network.parameters()) / 1e6
    assert all(math.isfinite(found[name]) for name in ('flops', 'snip', 'grad_norm', 'synflow',
                                                       'l2_norm', 'plain', 'fisher', 'zen'))
