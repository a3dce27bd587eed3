"""Weights of values, against sums over all combinations of choices."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
import torch
from nni.mutable import Categorical

from nni_rankreg.host.network.weights import Weights, options_of

A, B = Categorical([1, 2, 3], label='a'), Categorical([2, 4], label='b')
MIXTURE = {'a': [(1, 0.2), (2, 0.3), (3, 0.5)], 'b': [(2, 0.6), (4, 0.4)]}
CPU = torch.device('cpu')


@pytest.mark.parametrize('expression', [A, A + B, A * B, B - A, A // 2])
def test_weights_of_an_expression(expression):
    expected = Counter()
    for (a, p), (b, q) in itertools.product(MIXTURE['a'], MIXTURE['b']):
        expected[expression.freeze({'a': a, 'b': b})] += p * q
    options = options_of([expression], expression.freeze)
    got = dict(zip(options.values, options.weights(Weights(MIXTURE), CPU).tolist()))
    assert got == pytest.approx(dict(expected)) and sum(got.values()) == pytest.approx(1)
    for path in ({'a': 3, 'b': 2}, {'a': 1, 'b': 4}):
        assert options.executed(Weights(MIXTURE, path)) == [expression.freeze(path)]
    assert options.executed(Weights(MIXTURE)) == options.values


def test_choices_that_a_mixture_lacks_weigh_nothing_and_are_not_executed():
    options = options_of([A], A.freeze)
    weights = Weights({'a': [(3, 0.25), (1, 0.75)]})  # in any order
    assert options.weights(weights, CPU).tolist() == [0.75, 0., 0.25]
    assert options.executed(weights) == [1, 3]


def test_gradients_reach_every_weight():
    leaves = [torch.tensor(one, requires_grad=True) for one in (0.2, 0.3, 0.5)]
    options = options_of([A], lambda sample: sample['a'] > 1)
    weights = options.weights(Weights({'a': list(zip([1, 2, 3], leaves))}), CPU)
    assert options.values == [False, True]
    assert [one.item() for one in torch.autograd.grad(weights[1], leaves)] == [0., 1., 1.]
