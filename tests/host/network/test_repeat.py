"""A Repeat that may repeat nothing has no super-net, and says so before any training."""

from __future__ import annotations

import nni
import pytest
from nni.nas.nn.pytorch import LayerChoice, ModelSpace, Repeat
from torch import nn

from nni_rankreg.strategy import SPOS, FairNAS


class Net(ModelSpace):
    """A stem, convolutions of some depth, a head."""

    def __init__(self, depth):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)
        self.layers = nn.Sequential(Repeat(lambda index: nn.Conv2d(4, 4, 3, padding=1), depth,
                                           label='depth'))
        self.act = LayerChoice([nn.ReLU(), nn.Tanh()], label='act')
        self.head = nn.Linear(4, 10)

    def forward(self, x):
        return self.head(self.act(self.layers(self.stem(x))).mean((2, 3)))


MESSAGE = r"Expected a Repeat of at least one block in a super-net, got depth 0 of '{}'\. Let it"


@pytest.mark.parametrize('depth, label', [(lambda: (0, 2), 'depth'),
                                          (lambda: nni.choice('other', [0, 3]), 'other')])
@pytest.mark.filterwarnings('ignore:In repeat')
def test_depth_zero(depth, label, make_evaluator):
    for strategy in (SPOS(), FairNAS()):
        with pytest.raises(ValueError, match=MESSAGE.format(label)):
            strategy.train(Net(depth()), make_evaluator())
        with pytest.raises(ValueError, match=MESSAGE.format(label)):
            strategy.check(Net(depth()), make_evaluator())


def test_other_depths_are_trained(make_evaluator):
    SPOS().check(Net((1, 2)), make_evaluator())
    trained = SPOS().train(Net((1, 2)), make_evaluator())
    assert len(trained.scorer()([{'depth': 1, 'act': 0}, {'depth': 2, 'act': 1}]).unique()) == 2
