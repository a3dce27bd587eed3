"""A small network to be scored, a batch and an architecture."""

from __future__ import annotations

import pytest
from helpers.small import small_batch, small_network

SAMPLE = {'cell/0_1': 'conv_3x3', 'cell/0_2': 'skip_connect', 'cell/1_2': 'conv_1x1',
          'cell/0_3': 'avg_pool_3x3', 'cell/1_3': 'none', 'cell/2_3': 'conv_3x3'}


@pytest.fixture
def network():
    """Return a small network, always with the same weights."""
    return small_network()


@pytest.fixture
def batch():
    """Return six images of 8x8 pixels with labels of three classes."""
    return small_batch()


@pytest.fixture
def sample():
    """Return an architecture of NAS-Bench-201 with one of each operation."""
    return dict(SAMPLE)
