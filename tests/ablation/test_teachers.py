"""What ranks without any training: teachers and their mean rank, against scipy."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import stats

from nni_rankreg.ablation import summary
from nni_rankreg.ablation.arms import VOTE


def test_teachers_and_their_mean_rank(monkeypatch, tmp_path):
    random = np.random.default_rng(0)
    truth = random.normal(size=30)
    scores = {name: truth + random.normal(size=30) for name in VOTE}
    scores[VOTE[0]][3] = np.nan                     # counts as the worst
    table = SimpleNamespace(subset=lambda count, seed: SimpleNamespace(
        samples=[{'row': row} for row in range(count)], metrics=truth.tolist()))
    problem = SimpleNamespace(table=lambda *_: table, test='column', scored=30,
                              space=lambda setting: None)
    monkeypatch.setattr(summary, 'load_cifar10', lambda *_: (torch.zeros(1), torch.zeros(1)))
    monkeypatch.setattr(summary, 'teacher', lambda name, inputs: lambda samples: torch.from_numpy(
        (1 + inputs.seed) * scores[name]))
    taus = summary.teacher_correlations(problem, {'pixels': 16}, tmp_path, tmp_path, 'cpu', 2)
    ranks = [stats.rankdata(np.nan_to_num(values, nan=-np.inf)) for values in scores.values()]
    expected = [stats.kendalltau(rank, truth).statistic for rank in (*ranks, np.mean(ranks, 0))]
    assert list(taus) == [*VOTE, summary.MEAN_RANK]
    assert [*taus.values()] == [pytest.approx([tau, tau]) for tau in expected]
    printed = summary.summarise_teachers(taus)
    assert f'| {expected[-1]:+.3f} ' in printed.splitlines()[-1]
