"""A small network with all that a proxy could leave in disorder, and a batch for it."""

from __future__ import annotations

import torch
from torch import nn


class Small(nn.Module):
    """A residual network of two blocks with dropout, and a head."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
        self.downsample = nn.Conv2d(4, 6, 1, stride=2, bias=False)
        self.block = nn.Sequential(nn.Conv2d(4, 6, 3, 2, 1, bias=False), nn.BatchNorm2d(6),
                                   nn.ReLU(), nn.Conv2d(6, 6, 3, 1, 1), nn.BatchNorm2d(6))
        self.relu, self.dropout = nn.ReLU(), nn.Dropout(0.5)
        self.pool, self.head = nn.AdaptiveAvgPool2d(1), nn.Linear(6, 5)

    def forward(self, x):
        x = self.stem(x)
        x = self.relu(self.block(x) + self.downsample(x))
        return self.head(self.dropout(self.pool(x).flatten(1)))


def small_network():
    """Return the network, always with the same weights."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Small()


def small_batch():
    """Return six images of 8x8 pixels with labels of three classes."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(6, 3, 8, 8, generator=generator), torch.tensor([0, 1, 1, 2, 0, 1])
