"""Expected improvement of the hypervolume, against a plain Monte Carlo mean and a plain loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nni_rankreg.metric import Front, hypervolume, hypervolume_improvement
from nni_rankreg.metric.improvement import expected_improvement


def problem(costs, known=6, seed=0):
    """Return what is expected of nine architectures, and a front with dominated ones."""
    random = np.random.default_rng(seed)
    front = Front(torch.from_numpy(random.normal(size=known)),
                  torch.from_numpy(random.uniform(size=(known, costs))), -1.5,
                  torch.full((costs,), 0.9, dtype=torch.float64))
    return (torch.from_numpy(random.normal(size=9)), torch.from_numpy(random.uniform(0, 1, 9)),
            torch.from_numpy(random.uniform(size=(9, costs))), front)


def covered(front, score, costs):
    """Return the hypervolume with one more architecture."""
    points = torch.cat([torch.column_stack([-front.scores, front.costs]),
                        torch.tensor([[-score, *costs]], dtype=torch.float64)])
    return hypervolume(points, [-front.worst, *front.limit.tolist()])


def naive(mean, spread, costs, front, draws=2000):
    """Return the mean gain of hypervolume over drawn scores, and its standard error."""
    random = np.random.default_rng(1)
    before = hypervolume(torch.column_stack([-front.scores, front.costs]),
                         [-front.worst, *front.limit.tolist()])
    gains = np.array([[covered(front, score, cost) - before for score in
                       random.normal(float(m), float(s), draws)]
                      for m, s, cost in zip(mean, spread, costs.tolist())])
    return gains.mean(1), gains.std(1) / np.sqrt(draws)


@pytest.mark.parametrize('known', [1, 6])
@pytest.mark.parametrize('seed', [0, 1])
def test_one_cost_is_exact(seed, known):
    mean, spread, costs, front = problem(1, known, seed)
    found = hypervolume_improvement(mean, spread, costs, front).numpy()
    gain, error = naive(mean, spread, costs, front)
    assert (abs(found - gain) < 4 * error + 1e-9).all() and gain.max() > 10 * error.max()


@pytest.mark.parametrize('costs', [2, 3])
def test_several_costs(costs):
    mean, spread, cost, front = problem(costs)
    found = hypervolume_improvement(mean, spread, cost, front, draws=2 ** 14).numpy()
    gain, error = naive(mean, spread, cost, front)
    assert found == pytest.approx(gain, abs=4 * error.max() + 0.01)
    assert np.argmax(found) == np.argmax(gain)


def test_known_scores_gain_what_they_cover():
    mean, spread, costs, front = problem(1)
    before = hypervolume(torch.column_stack([-front.scores, front.costs]), [1.5, 0.9])
    found = hypervolume_improvement(mean, 0 * spread, costs, front)
    assert found.tolist() == pytest.approx([covered(front, *one) - before for one in zip(
        mean.tolist(), costs.tolist())], abs=1e-9)


def test_nothing_is_known_yet():
    front = Front(torch.zeros(0), torch.zeros(0, 1), 0., torch.tensor([4.]))
    found = hypervolume_improvement(torch.tensor([2., -1.]), torch.zeros(2),
                                    torch.tensor([[1.], [1.]]), front)
    assert found.tolist() == [6, 0]
    assert not len(hypervolume_improvement(*[torch.zeros(0)] * 2, torch.zeros(0, 1), front))


def test_beyond_the_reference_is_no_gain():
    mean, spread, costs, front = problem(1)
    assert not hypervolume_improvement(mean, spread, costs + 0.9, front).any()


def test_what_is_chosen_takes_the_gain_of_others_like_it():
    mean, spread, costs, front = problem(1)
    first = hypervolume_improvement(mean, spread, costs, front)
    row = int(first.argmax())
    second = hypervolume_improvement(mean, spread, costs, front.with_one(mean[row], costs[row]))
    assert second[row] < first[row] and (second <= first + 1e-12).all()


def test_expected_improvement():
    random = np.random.default_rng(0)
    for mean, spread, level in ((0., 1., 0.), (1., 0.5, 2.), (-1., 2., -3.)):
        drawn = np.maximum(0, random.normal(mean, spread, 200_000) - level).mean()
        assert float(expected_improvement(*map(torch.tensor, (mean, spread, level)))
                     ) == pytest.approx(drawn, rel=0.02)
