"""Proxies of the Jacobian, against numpy, image by image."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from nni_rankreg.proxy import ProxyError
from nni_rankreg.proxy.jacobian import epe_nas, jacov


def plain_network(outputs=5):
    """Return a network without normalisation, in which each image has its own Jacobian."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(192, 16), nn.ReLU(), nn.Linear(16, outputs))


def jacobians(network, images):
    rows = []
    for image in images:
        image = image[None].clone().requires_grad_()
        network(image).sum().backward()
        rows.append(image.grad.flatten().double().numpy())
    return np.stack(rows)


def test_jacov(batch):
    network = plain_network()
    values = np.linalg.eig(np.corrcoef(jacobians(network, batch[0])))[0].real
    expected = -np.sum(np.log(values + 1e-5) + 1 / (values + 1e-5))
    assert jacov(network, batch) == pytest.approx(expected, rel=1e-6)
    assert jacov(network, batch) <= -len(batch[0])


def test_jacov_is_best_without_correlation_and_bad_for_twins(batch):
    network = plain_network()
    twins = torch.cat([batch[0][:1]] * 2), batch[1][:2]
    # Eigenvalues 2 and 0.
    assert jacov(network, twins) == pytest.approx(-math.log(2 + 1e-5) - 0.5 - math.log(1e-5) - 1e5,
                                                  rel=1e-4)
    assert jacov(network, batch) > jacov(network, twins)


def test_jacov_of_a_batch_with_normalisation(network, batch):
    images = batch[0].clone().requires_grad_()
    network.train().dropout.eval()
    network(images).sum().backward()
    values = np.linalg.eigvalsh(np.corrcoef(images.grad.flatten(1).double().numpy()))
    expected = -np.sum(np.log(values + 1e-5) + 1 / (values + 1e-5))
    assert jacov(network, batch) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize('outputs', [5, 120])
def test_epe_nas(outputs, batch):
    network, labels = plain_network(outputs), batch[1].numpy()
    rows, scores = jacobians(network, batch[0]), []
    for label in set(labels.tolist()):
        members = rows[labels == label]
        total = sum(math.log(abs(np.corrcoef(a, b)[0, 1]) + 1e-5) for a in members for b in members)
        scores.append(total / len(members) if outputs > 100 else total)
    expected = (sum(abs(a - b) for a in scores for b in scores) / len(scores) if outputs > 100
                else sum(map(abs, scores)))
    assert len(scores) == 3
    assert epe_nas(network, batch) == pytest.approx(expected, rel=1e-6)


def test_epe_nas_needs_a_pair_of_one_class(batch):
    with pytest.raises(ProxyError, match=r'at least one occurs twice, got labels \[0, 1, 2\]'):
        epe_nas(plain_network(), (batch[0][:3], torch.arange(3)))
    with pytest.raises(ProxyError, match='Expected class indices'):
        epe_nas(plain_network(), (batch[0], batch[0][:, 0]))


@pytest.mark.parametrize('proxy', [jacov, epe_nas])
def test_an_output_that_ignores_the_images(proxy, batch):
    network = plain_network()
    nn.init.zeros_(network[3].weight)
    assert math.isnan(proxy(network, batch))
