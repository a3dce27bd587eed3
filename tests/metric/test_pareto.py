"""Fronts and hypervolumes, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nni_rankreg.metric import crowding, hypervolume, pareto_rank


def ranks(points):
    """Peel off one front after the other."""
    left, found, rank = set(range(len(points))), {}, 0
    while left:
        front = {row for row in left if not any(
            (points[other] <= points[row]).all() and (points[other] < points[row]).any()
            for other in left)}
        found.update(dict.fromkeys(front, rank))
        left, rank = left - front, rank + 1
    return [found[row] for row in range(len(points))]


@pytest.mark.parametrize('objectives', [1, 2, 3, 4])
def test_ranks(objectives):
    points = np.random.default_rng(objectives).integers(0, 6, (60, objectives))  # with ties
    assert pareto_rank(points).tolist() == ranks(points)
    assert pareto_rank(torch.tensor(points)).tolist() == ranks(points)


def test_hypervolume():
    """Of integer points it is the number of unit boxes that they dominate."""
    points = np.random.default_rng(0).integers(0, 6, (7, 3))
    boxes = np.stack(np.meshgrid(*[np.arange(6)] * 3), -1).reshape(-1, 1, 3)
    assert hypervolume(points, [6, 6, 6]) == (points <= boxes).all(2).any(1).sum()


def test_crowding_is_the_hypervolume_that_is_lost():
    points = np.array([[0., 10.], [1., 4.], [3., 3.], [3.2, 2.9], [10., 0.]])
    scaled, reference = points / 10, [1.1, 1.1]
    lost = [hypervolume(scaled, reference) - hypervolume(np.delete(scaled, row, 0), reference)
            for row in range(5)]
    found = crowding(points)
    assert found[1:4] == pytest.approx(lost[1:4]) and np.isinf(found[[0, 4]]).all()


def test_nothing():
    assert pareto_rank([]).tolist() == crowding([]).tolist() == []
    assert hypervolume([], [1, 1]) == 0


@pytest.mark.parametrize('points, message', [
    ([1., 2.], r'Expected points of shape \(N, M\), got shape \(2,\)'),
    ([[1., float('nan')]], 'Expected points of finite numbers')])
def test_what_is_no_point(points, message):
    with pytest.raises(ValueError, match=message):
        pareto_rank(points)
