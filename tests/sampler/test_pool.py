"""Draws from a pool: shares, filter and state."""

from __future__ import annotations

from collections import Counter

import pytest
from nni.mutable import Categorical
from scipy.stats import binomtest, chisquare

from nni_rankreg.sampler import PoolSampler
from nni_rankreg.typing import sample_key

SPACE = {'x': Categorical(range(10), label='x'), 'y': Categorical(range(10), label='y')}
POOL = [{'x': 1, 'y': value} for value in range(4)]


def draw(sampler, count):
    drawn = [sampler.paths() for _ in range(count)]
    assert {len(paths) for paths in drawn} == {1}
    return [sample for sample, in drawn]


@pytest.mark.parametrize('accept', [None, lambda sample: sample['x'] in (7, 8)])
@pytest.mark.parametrize('share', [0., 0.3, 1.])
def test_share_of_the_pool(share, accept):
    """A filter that rejects most of the space does not change the share."""
    sampler = PoolSampler(SPACE, 3, share=share, accept=accept)
    sampler.pool = list(POOL)
    drawn = draw(sampler, 2000)
    others = [sample for sample in drawn if sample not in POOL]
    outside = (1 - share) * (0.96 if accept is None else 1.)
    assert binomtest(len(others), 2000, outside).pvalue > 1e-3
    assert accept is None or all(map(accept, others))
    counts = Counter(map(sample_key, others))
    if others and accept:
        assert len(counts) == 20 and chisquare(list(counts.values())).pvalue > 1e-3


def test_pool_is_drawn_uniformly_and_may_grow():
    sampler = PoolSampler(SPACE, 1)
    sampler.pool.extend(POOL[:3])
    draw(sampler, 10)
    sampler.pool.append(POOL[3])
    counts = Counter(map(sample_key, draw(sampler, 1000)))
    assert set(counts) == set(map(sample_key, POOL))
    assert chisquare(list(counts.values())).pvalue > 1e-3


def test_without_a_pool_the_space_is_drawn():
    assert len(set(map(sample_key, draw(PoolSampler(SPACE), 600)))) > 95


def test_distinct():
    sampler = PoolSampler(SPACE, 2, accept=lambda sample: sample['x'] == 3)
    assert sorted(one['y'] for one in sampler.distinct(10)) == list(range(10))
    with pytest.raises(ValueError, match='a space with 11 different architectures'):
        sampler.distinct(11)


def test_the_pool_is_part_of_the_state():
    first, second = PoolSampler(SPACE, 5, share=0.5), PoolSampler(SPACE, 6, share=0.5)
    first.pool = list(POOL)
    draw(first, 7)
    state = first.state_dict()
    expected = draw(first, 50)
    first.pool.append({'x': 9, 'y': 9})  # no part of what has been saved
    second.load_state_dict(state)
    assert draw(second, 50) == expected and second.pool == POOL


@pytest.mark.parametrize('share', [-0.1, 1.1])
def test_share_out_of_range(share):
    with pytest.raises(ValueError, match='Expected a share of the pool from 0 to 1, got'):
        PoolSampler(SPACE, share=share)
