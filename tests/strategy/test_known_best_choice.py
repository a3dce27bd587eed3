"""Problems of which the best choice is known: GDAS and DARTS find it in nine of ten seeds."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from nni.mutable import Categorical
from nni.nas.evaluator.pytorch import DataLoader
from nni.nas.nn.pytorch import ModelSpace, MutableConv2d, MutableLinear, Repeat
from torch import nn
from torch.utils.data import TensorDataset

from nni_rankreg.data import HeldOut
from nni_rankreg.strategy import DARTS, GDAS


class Width(ModelSpace):
    """The sign of a product needs a few hidden units."""

    best, classes = 16, 2

    def __init__(self):
        super().__init__()
        width = Categorical([1, 2, 16], label='choice')
        self.hidden, self.logits = MutableLinear(4, width), MutableLinear(width, 2)

    def forward(self, x):
        return self.logits(torch.relu(self.hidden(x)))

    @staticmethod
    def data(count, trained):
        x = torch.randn(count, 4)
        return TensorDataset(x, (x[:, 0] * x[:, 1] > 0).long())


class Kernel(ModelSpace):
    """A pixel beside the centre tells the class; one farther off does in the training data only.

    The batch normalisation behind it takes away what the scale of a kernel tells.
    """

    best, classes = 3, 2

    def __init__(self):
        super().__init__()
        kernel = Categorical([1, 3, 5], label='choice')
        self.layer = MutableConv2d(1, 4, kernel, padding=kernel // 2)
        self.norm, self.logits = nn.BatchNorm1d(4), nn.Linear(4, 2)

    def forward(self, x):
        return self.logits(torch.relu(self.norm(self.layer(x)[..., 2, 2])))

    @staticmethod
    def data(count, trained):
        x, labels = torch.randn(count, 1, 5, 5), torch.randint(2, (count,))
        x[:, 0, 1, 2] += 2 * labels - 1
        x[:, 0, 0, 2] += 4 * (labels if trained else labels[torch.randperm(count)]) - 2
        return TensorDataset(x, labels)


class Shift(nn.Module):
    """Moves each number to the next place."""

    def forward(self, x):
        return x.roll(1, 1)


class Depth(ModelSpace):
    """The class is two places beyond the largest number."""

    best, classes = 2, 4

    def __init__(self):
        super().__init__()
        self.blocks = Repeat(lambda _: Shift(), Categorical([1, 2, 3, 4], label='choice'))
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x):
        return self.scale * self.blocks(x)

    @staticmethod
    def data(count, trained):
        places = torch.randint(4, (count,))
        return TensorDataset(F.one_hot(places, 4) + torch.randn(count, 4) / 2, (places + 2) % 4)


@pytest.mark.slow
@pytest.mark.parametrize('space', [Width, Kernel, Depth])
@pytest.mark.parametrize('strategy', [GDAS, DARTS])
def test_the_best_choice_becomes_the_most_probable(strategy, space, make_evaluator):
    found = []
    for seed in range(10):
        torch.manual_seed(seed)
        held_out = HeldOut(DataLoader(space.data(512, False), 128, shuffle=True))
        evaluator = make_evaluator(
            DataLoader(space.data(512, True), 128, shuffle=True),
            DataLoader(space.data(64, False), 64), learning_rate=.05, max_epochs=10,
            num_classes=space.classes, check_val_every_n_epoch=10)
        trained = strategy(arc_learning_rate=.2, warmup_epochs=4, candidates=3, seed=seed,
                           held_out=held_out).train(space(), evaluator)
        found.append((trained.module.export()['choice'], trained.best()[0]['choice']))
    assert all(sum(one == space.best for one in column) >= 9 for column in zip(*found)), found
