"""The sandwich rule: the largest and the smallest architectures of spaces."""

from __future__ import annotations

import pytest

from nni_rankreg.sampler import SandwichSampler
from nni_rankreg.space import NasBench201


def test_sandwich_of_nasbench201():
    sampler = SandwichSampler(NasBench201(4, 1, 10), count=3)
    for _ in range(5):
        largest, smallest, *others = sampler.paths()
        assert set(largest.values()) == {'conv_3x3'} and set(smallest.values()) == {'avg_pool_3x3'}
        assert len(others) == 3
    drawn = {tuple(path.values()) for _ in range(20) for path in sampler.paths()[2:]}
    assert len(drawn) > 50


def test_sandwich_of_given_architectures():
    skip = dict.fromkeys(NasBench201(4, 1, 10).simplify(), 'skip_connect')
    smallest = {**skip, 'cell/0_1': 'conv_3x3'}
    sampler = SandwichSampler(NasBench201(4, 1, 10), count=0, smallest=smallest)
    assert sampler.paths()[1:] == [smallest]
    with pytest.raises(ValueError, match="as 'cell/0_1' of an architecture, got 'conv_5x5'"):
        SandwichSampler(NasBench201(4, 1, 10), largest={**skip, 'cell/0_1': 'conv_5x5'})


@pytest.mark.slow
def test_sandwich_of_numbers_layers_and_inputs(make_space):
    largest, smallest, *_ = SandwichSampler(make_space('DARTS of any size')).paths()
    assert (largest['width'], smallest['width']) == (8, 4)
    assert (largest['depth'], smallest['depth']) == (6, 3)
    sampler = SandwichSampler(make_space('DARTS'))
    inputs = {tuple(sampler.paths()[0]['normal/input_5_0']) for _ in range(40)}
    assert inputs == {(0,), (1,), (2,), (3,), (4,)} or len(inputs) > 1
    operations = {sampler.paths()[0]['normal/op_5_0'] for _ in range(5)}
    assert len(operations) == 1


def test_bad_count():
    with pytest.raises(ValueError, match='Expected a count of at least 0, got -1'):
        SandwichSampler(NasBench201(4, 1, 10), count=-1)
