"""Choices that nothing reads, in spaces of one's own and in those that there are."""

from __future__ import annotations

import pytest
import torch
from nni import choice
from nni.mutable import Mutable
from nni.nas.nn.pytorch import LayerChoice, ModelSpace
from nni.nas.strategy import RandomOneShot
from torch import nn

from nni_rankreg.host.network.unread import check_choices
from nni_rankreg.space import DARTSSpace, NasBench101, NasBench201, ProxylessNAS, ResNet48
from nni_rankreg.strategy import DARTS, GDAS, SPOS


class Net(ModelSpace):
    """A choice that `forward` reads, beside one of a module."""

    def __init__(self):
        super().__init__()
        self.layer = LayerChoice([nn.ReLU(), nn.Identity()], label='layer')
        self.twice = choice('twice', [False, True])
        self.add_mutable(self.twice)

    def forward(self, x):
        return self.layer(x) * 2 if self.twice else self.layer(x)


def test_it_is_refused():
    with pytest.raises(ValueError, match="Expected each choice .*, got 'twice' of the space"):
        check_choices(Net())


@pytest.mark.parametrize('kind', [SPOS, GDAS, DARTS])
def test_strategies_refuse_it(kind, make_evaluator):
    for refused in (kind().check, kind().train):
        with pytest.raises(ValueError, match="got 'twice'"):
            refused(Net(), make_evaluator())


@pytest.mark.parametrize('make', [DARTSSpace, NasBench101, NasBench201, ProxylessNAS, ResNet48])
def test_spaces_that_there_are(make):
    with torch.device('meta'):                   # of their own size, without weights
        check_choices(make())


def test_guard_nni_leaves_the_mutable():
    supernet = RandomOneShot().mutate_model(Net())
    assert isinstance(supernet.twice, Mutable)
