"""Terms of losses on another device: nothing of it is looked at, nothing waits for it.

The device is PyTorch's meta device, which has no values: to look at one is an error.
"""

from __future__ import annotations

import pytest
import torch
from nni.mutable import Categorical
from torch.utils._python_dispatch import TorchDispatchMode

from nni_rankreg.loss import PairwiseRankingLoss
from nni_rankreg.regularizer import LandmarkRegularizer, RankingDistillation, TermContext
from nni_rankreg.schedule import Schedule
from nni_rankreg.typing import Results

ALWAYS = Schedule('constant', warmup=0)
SPACE = {label: Categorical(range(5), label=label) for label in 'ab'}
SAMPLES = [{'a': index, 'b': 4 - index} for index in range(5)]


class Elsewhere:
    """A super-net whose losses are on a device without values."""

    epochs = 10

    def subnet_loss(self, sample, batch):
        return torch.ones((), device='meta', requires_grad=True) * 2

    def of_first_process(self, batch):
        return batch


class Waits(TorchDispatchMode):
    """Count the copies between devices that wait."""

    count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function is torch.ops.aten._to_copy.default and kwargs.get('device', args[0].device) \
                != args[0].device:
            self.count += not kwargs.get('non_blocking')
        return function(*args, **kwargs)


def waits(regularizer):
    """Return how often a term waits in a step."""
    term = regularizer.term(TermContext(SPACE))
    term.loss(Elsewhere(), None, epoch=0)  # scorers are made in the first step
    with Waits() as found:
        assert term.loss(Elsewhere(), None, epoch=0).device.type == 'meta'
    return found.count


@pytest.mark.parametrize('pairs', [1, 4, None])
@pytest.mark.parametrize('weighting', ['none', 'gap', 'scaled'])
def test_landmarks(weighting, pairs):
    assert waits(LandmarkRegularizer(
        Results(SAMPLES, [.1, .5, .2, .7, .6]), pairs=pairs, schedule=ALWAYS,
        criterion=PairwiseRankingLoss(weighting=weighting))) == 0


@pytest.mark.parametrize('detach', ['none', 'first', 'better'])
def test_distillation(detach):
    def teacher(samples):
        return torch.tensor([float(one['a']) for one in samples])
    assert waits(RankingDistillation(teacher, pairs=2, detach=detach, cross_entropy=False,
                                     schedule=ALWAYS)) == 0


def test_a_copy_that_waits_is_counted():
    with Waits() as found:
        torch.ones(2).to('meta')
        torch.ones(2).to('meta', non_blocking=True)
        torch.ones(2).double()
    assert found.count == 1
