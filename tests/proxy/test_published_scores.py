"""Full-size NAS-Bench-201 against published scores; the rest needs the table and CIFAR-10."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import pearsonr, spearmanr

from nni_rankreg.proxy import NetworkFactory, ProxyScorer
from nni_rankreg.proxy.gradient import synflow
from nni_rankreg.proxy.static import flops, l2_norm, params
from nni_rankreg.space import NasBench201, decode_nasbench201

pytestmark = pytest.mark.slow
COUNT = 24  # of 362; benchmarks/proxies.py compares all


@pytest.fixture(scope='module')
def space():
    return NasBench201(16, 5, 10)


@pytest.fixture(scope='module')
def rows(shared_data):
    with open(shared_data / 'zc_nb201_cifar10.csv', newline='') as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope='module')
def images(shared_data):
    """Return 32 training images of CIFAR-10, normalised, with labels."""
    folder = shared_data / 'cifar10'
    with Image.open(folder / 'train_00.webp') as file:
        tiles = np.asarray(file.convert('RGB'))[:32].reshape(32, 50, 32, 3)[:, :32]
    pixels = torch.from_numpy(tiles.transpose(1, 3, 0, 2).copy()).float() / 255
    mean, std = torch.tensor([[.4914, .4822, .4465], [.2470, .2435, .2616]])[:, :, None, None]
    return (pixels - mean) / std, torch.from_numpy(np.load(folder / 'train_y.npy')[:32]).long()


NOISE = torch.zeros(2, 3, 32, 32), torch.zeros(2)


def test_spot_values(space):
    """Of (0, 2, 3, 2, 3, 1) in NASLib's encoding; its own weights are of another seed."""
    cell = '|skip_connect~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_1x1~0|nor_conv_1x1~1|none~2|'
    network = NetworkFactory(space)(decode_nasbench201(cell))
    assert params(network) == 0.615386
    assert flops(network, NOISE) == pytest.approx(86.426, abs=1e-3)
    assert synflow(network, NOISE) == pytest.approx(41.949, abs=0.2)
    assert l2_norm(network) == pytest.approx(231.31, rel=0.005)


def test_params_are_those_published(space, rows):
    samples = [decode_nasbench201(row['arch_str']) for row in rows]
    scores = ProxyScorer('params', space, NOISE)(samples)
    assert scores.tolist() == [float(row['params']) for row in rows]


def compare(name, column, space, rows, batch):
    """Return our scores with those published, where both are finite."""
    scores = ProxyScorer(name, space, batch)(
        [decode_nasbench201(row['arch_str']) for row in rows]).numpy()
    published = np.array([float(row[column] or 'nan') for row in rows])
    good = np.isfinite(scores) & np.isfinite(published)
    assert good.sum() > 0.8 * len(rows)
    return scores[good], published[good]


def test_synflow_is_that_published(space, rows):
    scores, published = compare('synflow', 'synflow', space, rows[:60], NOISE)
    assert pearsonr(scores, published).statistic >= 0.9999
    assert scores.mean() == pytest.approx(published.mean(), abs=0.05)


@pytest.mark.parametrize('name, least', [
    ('naswot', 0.9), ('snip', 0.9), ('grad_norm', 0.9), ('l2_norm', 0.9), ('fisher', 0.9),
    ('grasp', 0.6),
    # Many architectures share nearly one value, so that a few rows say little about ranks.
    ('jacov', 0.8), ('epe_nas', 0.8)])
def test_ranks_are_those_published(name, least, space, rows, images):
    column = 'nwot' if name == 'naswot' else name
    scores, published = compare(name, column, space, rows[:COUNT], images)
    assert spearmanr(scores, published).statistic >= least
