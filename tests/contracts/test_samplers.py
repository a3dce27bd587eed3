"""What every sampler promises. A new one is a line in `SAMPLERS`; one that is missing is found."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from helpers.members import add_member, is_protocol, members
from helpers.randomness import global_numbers
from helpers.spaces import mixed
from nni.mutable import MutableSymbol
from torch import nn

from nni_rankreg import sampler as room
from nni_rankreg.sampler import (
    FairSampler,
    LandmarkSampler,
    MarginPairSampler,
    PairSampler,
    PoolSampler,
    SandwichSampler,
    UniformSampler,
)
from nni_rankreg.space import DARTSSpace, NasBench101, NasBench201
from nni_rankreg.typing import sample_key


class Entry(NamedTuple):
    """How a sampler is made, and how it draws."""

    make: Callable[..., Any]
    """From a space, a seed and, if it takes one, a filter."""
    draw: Callable[[Any], list]
    """Some architectures, in the order in which they are drawn."""
    spaces: tuple[str, ...] = ('mixed', 'NasBench201', 'NasBench101', 'DARTSSpace')
    """Of which it draws; none if it draws of a list."""
    accept: bool = True
    """Whether it takes a filter."""
    state: bool = True
    """Whether it can be continued in a later process."""


def from_paths(sampler):
    return [path for _ in range(8) for path in sampler.paths()]


def uniform(sampler):
    drawn = [*(sampler.sample() for _ in range(5)), *sampler.distinct(5)]
    return [*drawn, *map(sampler.mutate, drawn)]


def with_pool(space, seed, **options):
    sampler = PoolSampler(space, seed, share=.5, **options)
    sampler.pool = UniformSampler(space, 1, **options).distinct(4)
    return sampler


SAMPLERS = {
    'UniformSampler': Entry(UniformSampler, uniform),
    'LandmarkSampler': Entry(
        lambda space, seed, **options: LandmarkSampler(space, threshold=1, seed=seed, **options),
        lambda sampler: sampler.sample(6), state=False),
    'MarginPairSampler': Entry(
        lambda space, seed, **options: MarginPairSampler('hamming', 2., seed=seed).over(
            space, **options),
        lambda pairs: [one for _ in range(5) for one in pairs.sample()]),
    'PoolSampler': Entry(with_pool, from_paths),
    'FairSampler': Entry(FairSampler, from_paths, ('NasBench201', 'DARTSSpace'),
                         accept=False),
    'SandwichSampler': Entry(SandwichSampler, from_paths, ('NasBench201', 'DARTSSpace'),
                             accept=False),
    'PairSampler': Entry(lambda space, seed: PairSampler(seed),
                         lambda sampler: sampler.sample(range(30), 10).tolist(), (),
                         accept=False),
}
EVERY = pytest.mark.parametrize('name', SAMPLERS)
EVERY_SPACE = pytest.mark.parametrize('name, space', [
    (name, space) for name, entry in SAMPLERS.items() for space in entry.spaces])


@functools.cache
def space_of(name):
    return {'mixed': mixed, 'NasBench201': lambda: NasBench201(2, 1),
            'NasBench101': lambda: NasBench101(4, 1, 1),
            'DARTSSpace': lambda: DARTSSpace((4, 8), (3, 6))}[name]()


def make(name, space='NasBench201', seed=0, **options):
    return SAMPLERS[name].make(space_of(space), seed, **options)


def missing():
    found = members(room, lambda one: one.__name__.endswith('Sampler') and not is_protocol(one))
    return found.keys() ^ SAMPLERS.keys()


def test_none_is_missing(monkeypatch):
    assert not missing()
    add_member(monkeypatch, room.uniform, 'OtherSampler', type('OtherSampler', (), {}))
    assert missing() == {'OtherSampler'}


# Seeds and states

@pytest.mark.slow
@EVERY_SPACE
def test_same_seed_same_draws(name, space):
    draws = [SAMPLERS[name].draw(make(name, space, seed)) for seed in (7, 7, 8)]
    assert draws[0] == draws[1] != draws[2]


@EVERY
def test_global_generators_are_neither_used_nor_changed(name):
    draws = []
    make(name)      # the first time, it makes a space, whose weights are drawn
    for seed in (1, 2):
        random.seed(seed), np.random.seed(seed), torch.manual_seed(seed)
        before = global_numbers()
        draws.append(SAMPLERS[name].draw(make(name)))
        assert global_numbers() == before
    assert draws[0] == draws[1]


@pytest.mark.parametrize('name', [name for name, entry in SAMPLERS.items() if entry.state])
def test_a_saved_state_goes_on(name, tmp_path):
    """Whatever is drawn in between, in a sampler of another seed; the file is safe to read."""
    first, second, draw = make(name, seed=5), make(name, seed=6), SAMPLERS[name].draw
    draw(first)
    state = first.state_dict()
    expected = draw(first) + draw(first)
    torch.save(state, tmp_path / 'state')
    second.load_state_dict(torch.load(tmp_path / 'state', weights_only=True))
    assert draw(second) + draw(second) == expected


# Architectures

@EVERY_SPACE
def test_samples_are_of_the_space(name, space):
    leaves = space_of(space).simplify()
    drawn = SAMPLERS[name].draw(make(name, space))
    assert len(drawn) >= 6
    for sample in drawn:
        assert set(sample) == {one.label for one in leaves.values()
                               if isinstance(one, MutableSymbol)}
        assert all(leaf.contains(dict(sample)) for leaf in leaves.values())
        assert sample_key(sample)  # plain values only


@EVERY_SPACE
def test_samples_are_the_caller_s(name, space):
    """What becomes of them changes nothing of what is drawn next."""
    first, second, draw = make(name, space), make(name, space), SAMPLERS[name].draw
    for sample in draw(first):
        for label, choice in sample.items():
            if isinstance(choice, list):
                choice.clear()
            sample[label] = 'changed'
    draw(second)
    assert draw(first) == draw(second)


# Filters

FILTERED = pytest.mark.parametrize('name', [name for name, one in SAMPLERS.items() if one.accept])


@FILTERED
def test_only_what_is_accepted_is_drawn(name):
    def accept(sample):
        return sample['cell/0_1'] in ('none', 'conv_3x3')

    draw = SAMPLERS[name].draw
    assert all(map(accept, draw(make(name, accept=accept))))
    assert not all(map(accept, draw(make(name))))


@FILTERED
def test_of_several_constraints_all_hold(name):
    def first(sample):
        return sample['cell/0_1'] in ('none', 'conv_3x3')

    def second(sample):
        return sample['cell/0_1'] != 'none'

    drawn = SAMPLERS[name].draw(make(name, accept=[first, second]))
    assert {one['cell/0_1'] for one in drawn} == {'conv_3x3'}


@FILTERED
def test_a_filter_that_accepts_nothing_ends(name):
    asked = []
    with pytest.raises(ValueError, match='Expected a sample .* accepted by .*, got none in 10000'):
        SAMPLERS[name].draw(make(name, accept=asked.append))
    assert len(asked) == 10_000


# Arguments

@pytest.mark.parametrize('name', [name for name, entry in SAMPLERS.items() if entry.spaces])
@pytest.mark.parametrize('space', [3, {'a': 3}, {}, nn.Linear(1, 1)], ids=str)
def test_what_is_no_space_is_refused(name, space):
    with pytest.raises(ValueError, match='Expected a(n NNI| space|.*model space)'):
        SAMPLERS[name].make(space, 0)
