"""Random cells of NAS-Bench-101: valid all of them, and distributed as stated."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from nni.mutable import ConstraintViolation
from nni.nas.hub.pytorch import NasBench101 as NniNasBench101

from nni_rankreg.sampler import LandmarkSampler, UniformSampler, hamming_distance
from nni_rankreg.space import NasBench101, encode_nasbench101, hash_nasbench101
from nni_rankreg.space.nasbench101.code import LABELS, OPERATIONS
from nni_rankreg.space.nasbench101.graph import valid_matrices


@pytest.fixture(scope='module')
def space():
    return NasBench101(4, 1, 1)


@pytest.mark.slow
def test_vertices_are_drawn_by_the_prior_and_matrices_uniformly(space):
    sampler, count = UniformSampler(space, seed=3), 8_000
    specs = [encode_nasbench101(sampler.sample()) for _ in range(count)]
    vertices = Counter(len(spec.matrix) for spec in specs)
    for number in range(2, 8):
        share = 2 ** number / 252
        assert abs(vertices[number] / count - share) < 4 * (share / count) ** .5
    fours = Counter(spec.matrix for spec in specs if len(spec.matrix) == 4)
    assert len(fours) == len(valid_matrices(4)) and min(fours.values()) > max(fours.values()) / 3
    names = Counter(name for spec in specs for name in spec.ops[1:-1])
    assert set(names) == set(OPERATIONS)
    assert min(names.values()) > .9 * max(names.values())


def test_nni_draws_valid_cells_only(space):
    for seed in range(20):
        memo = {}
        space.random(memo, np.random.RandomState(seed))
        assert encode_nasbench101({label: memo[label] for label in LABELS})
    assert space.default() is not None


def test_nni_still_draws_cells_that_are_none():
    """Guard: NNI's own class fails now and then, and has labels without effect."""
    space, failures = NniNasBench101(4, 1, 1), 0
    for seed in range(20):
        try:
            space.random({}, np.random.RandomState(seed))
        except ConstraintViolation:
            failures += 1
    assert failures


def test_mutation_changes_one_label_and_stays_in_the_space(space):
    sampler = UniformSampler(space, seed=4)
    sample, counts = sampler.sample(), set()
    for _ in range(200):
        child = sampler.mutate(sample)
        assert sum(child[label] != sample[label] for label in LABELS) == 1
        sample = child
        counts.add(len(encode_nasbench101(sample).matrix))
    assert len(counts) >= 3


def test_landmarks_are_far_from_the_root(space):
    """At the distance of the paper; the default, all labels changed, leaves no cell."""
    root, *mutants = LandmarkSampler(space, threshold=5, seed=5).sample(10)
    assert all(hamming_distance(root, mutant) > 5 for mutant in mutants)
    assert len({hash_nasbench101(sample) for sample in [root, *mutants]}) > 5
