"""A super-net whose losses are known: of four architectures, each with a weight of its own."""

from __future__ import annotations

import itertools

import torch
from nni.mutable import Categorical
from torch import nn

from nni_rankreg.schedule import Schedule
from nni_rankreg.typing import Results

NAMES = ['conv', 'pool', 'skip', 'none']
SPACE = {'op': Categorical(NAMES, label='op')}
SAMPLES = [{'op': name} for name in NAMES]
RESULTS = Results(SAMPLES, [0.9, 0.5, 0.7, 0.1])
ALWAYS = Schedule('constant', warmup=0)


class Toy:
    """A super-net with one weight per architecture; its loss is the weight times the batch."""

    epochs = 10

    def __init__(self, losses=(2., 1., 3., 5.), dtype=torch.float):
        self.weights = nn.Parameter(torch.tensor(losses, dtype=dtype))
        self.asked, self.drawn = [], itertools.cycle(SAMPLES)

    def draw(self):
        return next(self.drawn)

    def subnet_loss(self, sample, batch):
        self.asked.append(sample)
        return self.weights[SAMPLES.index(sample)] * batch

    def of_first_process(self, batch):
        return batch


def gradient(toy, loss):
    """Return the gradient of a term with regard to the weights; None has none."""
    toy.weights.grad = None
    if loss is None:
        return [0.] * 4
    loss.backward()
    return toy.weights.grad.tolist()
