"""Results with the space's own objects, at once and one by one."""

from __future__ import annotations

from statistics import fmean

import numpy as np
import pytest
from helpers.spaces import mixed
from nni.nas.hub.pytorch import AutoFormer

from nni_rankreg.sampler import UniformSampler
from nni_rankreg.sampler.choice import ChoiceSpace
from nni_rankreg.space import DARTSSpace, NasBench101
from nni_rankreg.typing import Results, sample_key

SPACES = {'mixed': mixed, 'DARTSSpace': lambda: DARTSSpace(width=4, num_cells=3),
          'NasBench101': lambda: NasBench101(4, 1, 1), 'AutoFormer': AutoFormer}


def respelled(choice, random):
    """Return an equal choice of another type."""
    if isinstance(choice, list):
        return tuple(choice) if random.random() < 0.5 else list(choice)
    if type(choice) in (int, float) and random.random() < 0.5:
        return np.float64(choice) if random.random() < 0.5 else float(choice)
    return choice


@pytest.mark.parametrize('name', SPACES)
def test_all_at_once_are_those_of_one_by_one(name):
    space, random = SPACES[name](), np.random.default_rng(0)
    samples = UniformSampler(space, seed=0).distinct(30)
    given = [{label: respelled(choice, random) for label, choice in samples[row].items()}
             for row in [*range(30), *range(0, 30, 3)]]
    metrics = random.random(40).tolist()
    found = ChoiceSpace(space).results(Results(given, metrics, 'min'))
    expected, own = {}, {}
    for sample, metric in zip(given, metrics):
        one = ChoiceSpace(space).canonical(sample)
        own.setdefault(sample_key(one), one)
        expected.setdefault(sample_key(one), []).append(metric)
    assert found.samples == list(own.values()) and found.mode == 'min'
    assert [list(map(type, one.values())) for one in found.samples] == [
        list(map(type, one.values())) for one in own.values()]
    assert found.metrics == pytest.approx(list(map(fmean, expected.values())), abs=1e-15)


def test_the_objects_of_the_space_stay_its_own():
    space = DARTSSpace(width=4, num_cells=3)
    sample = UniformSampler(space, seed=0).sample()
    found = ChoiceSpace(space).results(Results([sample], [1.]))
    next(choice for choice in found.samples[0].values() if isinstance(choice, list)).append(7)
    assert ChoiceSpace(space).canonical(sample) == sample


@pytest.mark.parametrize('change, message', [
    (lambda one: {**one, 'reduce/op_2_0': 'x'}, "as 'reduce/op_2_0' of result 3, got 'x'"),
    (lambda one: {**one, 'more': 1}, "result 3 with the labels .*, got 'more' besides"),
    (lambda one: {label: one[label] for label in list(one)[1:]}, 'result 3 with the labels .*no '),
    (list, 'result 3 as a dict'),
])
def test_the_wrong_one_is_named(change, message):
    space = DARTSSpace(width=4, num_cells=3)
    samples = UniformSampler(space, seed=0).distinct(5)
    samples[2] = change(samples[2])
    with pytest.raises(ValueError, match=message):
        ChoiceSpace(space).results(Results(samples, [0.] * 5))
