"""The distribution over architectures, against enumeration, frequencies and plain autograd."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from nni.mutable import Categorical, CategoricalMultiple, Numerical

from nni_rankreg.space import NasBench101
from nni_rankreg.supernet.architecture import ArchitectureParameters, most_probable

SPACE = {'op': Categorical('abc', label='op'), 'input': CategoricalMultiple([0, 1], n_chosen=1,
                                                                            label='input')}
LOGITS = torch.tensor([[0.5, -1., 2.], [0.3, 1., 9.]])  # the last one is of no choice


@pytest.fixture
def make():
    def run(seed=0, dtype=torch.float):
        architecture = ArchitectureParameters(SPACE, seed)
        architecture.to(dtype).logits.data.copy_(LOGITS)
        return architecture
    return run


def probabilities():
    op, which = LOGITS[0].softmax(0).tolist(), LOGITS[1, :2].softmax(0).tolist()
    return {('abc'[i], j): op[i] * which[j] for i, j in itertools.product(range(3), range(2))}


def key(sample):
    return sample['op'], sample['input'][0]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.lists(st.integers(-4, 0).map(float), min_size=1, max_size=4), min_size=1,
                max_size=4))
def test_most_probable_against_enumeration(rows):
    got = list(most_probable(rows))
    every = list(itertools.product(*(range(len(row)) for row in rows)))
    sums = [sum(row[index] for row, index in zip(rows, one)) for one in got]
    assert len(got) == len(every) and set(got) == set(every)
    assert sums == sorted(sums, reverse=True)


def test_architectures_in_order(make):
    expected = sorted(probabilities(), key=probabilities().get, reverse=True)
    assert [key(one) for one in make().most_probable()] == expected
    for label, pairs in make().mixture().items():
        assert sum(weight.item() for _, weight in pairs) == pytest.approx(1.)
        assert len(pairs) == len(SPACE[label].values)


def test_draws_have_their_probabilities(make):
    architecture, count = make(seed=1), 4000
    drawn = Counter(key(architecture.sample()) for _ in range(count))
    for one, probability in probabilities().items():
        deviation = math.sqrt(count * probability * (1 - probability))
        assert abs(drawn[one] - count * probability) < 5 * deviation
    assert [make(3).sample() for _ in range(2)] == [make(3).sample() for _ in range(2)]


def test_log_probabilities(make):
    samples = [{'op': op, 'input': [one]} for op, one in probabilities()]
    torch.testing.assert_close(make().log_probability(samples).exp(),
                               torch.tensor(list(probabilities().values())))


@pytest.mark.parametrize('temperature', [0.1, 1., 10.])
def test_straight_through_gradient(temperature, make):
    """The value is that of the drawn choices; the gradient that of the full soft formula."""
    architecture = make(seed=5, dtype=torch.double)
    noise = -torch.empty(2, 3).exponential_(generator=_copy(architecture.generator)).log()
    mixture, path = architecture.draw(temperature)
    values = {'op': {'a': 2., 'b': -1., 'c': .5}, 'input': {0: 3., 1: -2.}}
    chosen = [values['op'][path['op']], values['input'][path['input'][0]]]
    drawn = [weight for label, pairs in mixture.items() for choice, weight in pairs
             if choice == path[label]]
    loss = math.prod(value * weight for value, weight in zip(chosen, drawn)) ** 2
    assert loss.item() == math.prod(chosen) ** 2
    assert sorted(weight.item() for pairs in mixture.values() for _, weight in pairs) == [
        0., 0., 0., 1., 1.]

    logits = LOGITS.double().requires_grad_()
    soft = [((row + g) / temperature).softmax(0)[:n] for row, g, n in
            zip((logits[0], logits[1, :2]), (noise[0], noise[1, :2]), (3, 2))]
    index = ['abc'.index(path['op']), path['input'][0]]
    assert index == [int((row[:n] + g[:n]).argmax()) for row, g, n in zip(LOGITS, noise, (3, 2))]
    weights = [one[i] for one, i in zip(soft, index)]
    # d(loss)/d(weight) at weight 1 for each, times the gradient of the soft weight.
    expected = torch.autograd.grad(sum(2 * loss.item() * weight for weight in weights), [logits])
    got = torch.autograd.grad(loss, [architecture.logits])
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-9)
    assert got[0][1, 2] == 0


def _copy(generator):
    copy = torch.Generator()
    copy.set_state(generator.get_state())
    return copy


@pytest.mark.parametrize('delta', [0.01, 0.5])
def test_leaning(delta, make):
    leaning = make().leaning({'op': 'b', 'input': [1]}, delta)
    assert leaning['input'] == [([0], 0.5 - delta), ([1], 0.5 + delta)]
    assert dict(leaning['op']) == pytest.approx(
        {'a': 1 / 3 - delta / 2, 'b': 1 / 3 + delta, 'c': 1 / 3 - delta / 2})
    only = {**SPACE, 'one': Categorical(['x'], label='one')}
    sample = {'op': 'b', 'input': [1], 'one': 'x'}
    assert ArchitectureParameters(only).leaning(sample, delta)['one'] == [('x', 1.)]


@pytest.mark.parametrize('space', [
    lambda: {**SPACE, 'rate': Numerical(0., 1., label='rate')}, lambda: NasBench101(8, 1, 1)])
def test_other_labels_are_refused(space):
    with pytest.raises(ValueError, match='Expected independent labels with a list of choices.*'
                                         'Use SPOS'):
        ArchitectureParameters(space())
