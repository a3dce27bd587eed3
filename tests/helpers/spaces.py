"""Spaces of every kind of label, and one that is quick to train."""

from __future__ import annotations

from nni.mutable import (
    Categorical,
    CategoricalMultiple,
    ExpressionConstraint,
    MutableDict,
    MutableList,
    Numerical,
)
from nni.nas.nn.pytorch import LayerChoice, ModelSpace
from torch import nn

ANY = {
    'op': Categorical(['conv', 'pool', None], label='op'),
    'same': Categorical(['conv', 'pool', None], label='same'),
    'width': Categorical([8, 16, 32], label='width'),
    'kernel': Categorical([(1, 3), (3, 1)], label='kernel'),
    'inputs': CategoricalMultiple([0, 1, 2], label='inputs'),
    'rate': Numerical(low=0., high=2., label='rate'),
}


def mixed():
    """Return a space whose choices have weights, or are several at a time."""
    return MutableDict(
        a=Categorical(['p', 'q', 'r'], weights=[0.5, 0.3, 0.2], label='a'),
        b=CategoricalMultiple([1, 2, 3], n_chosen=1, label='b'),
        c=CategoricalMultiple([1, 2, 3], n_chosen=2, label='c'),
        d=CategoricalMultiple([1, 2], label='d'),
        e=Numerical(0, 1, label='e'),
    )


def grid(*sizes):
    """Return a space of one label for each size, with the choices 0, 1, ..."""
    return {f'x{i}': Categorical(range(n), label=f'x{i}') for i, n in enumerate(sizes)}


def constrained():
    """Return a space of two digits whose sum is nine: ten architectures of a hundred."""
    a, b = Categorical(range(10), label='a'), Categorical(range(10), label='b')
    return MutableList([a, b, ExpressionConstraint(a + b == 9, label='sum')])


class Tiny(ModelSpace):
    """Four layers, each of which is one of four, on images with three channels; ten classes."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.BatchNorm2d(4))
        self.layers = nn.Sequential(*(LayerChoice({
            'conv_3x3': nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4)),
            'conv_1x1': nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)),
            'pool': nn.AvgPool2d(3, 1, 1), 'skip': nn.Identity()}, label=f'layer{index}')
            for index in range(4)))
        self.relu, self.head = nn.ReLU(), nn.Linear(4, 10)

    def forward(self, x):
        x = self.stem(x)
        for layer in self.layers:
            x = self.relu(layer(x))
        return self.head(x.mean((2, 3)))
