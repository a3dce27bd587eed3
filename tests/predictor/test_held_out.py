"""Results that a predictor does not see tell how well it ranks."""

from __future__ import annotations

import numpy as np
from nni.mutable import Categorical
from scipy.stats import kendalltau

from nni_rankreg.predictor import Ranker, Training, held_out_ranking
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.typing import Results

SPACE = {'kernel': Categorical([1, 3, 5], label='kernel'),
         'width': Categorical([8, 16, 24, 32], label='width'),
         'norm': Categorical(['batch', 'none', 'layer'], label='norm'),
         'drop': Categorical([0.0, 0.5], label='drop'),
         'skip': Categorical([True, False], label='skip')}


def metric_of(sample):
    return (sample['kernel'] + sample['width'] / 8 - 2 * (sample['norm'] == 'none')
            - sample['drop'] + sample['skip'])


def draw(count):
    samples = UniformSampler(SPACE, 0).distinct(count)
    return Results(samples, [float(metric_of(sample)) for sample in samples])


def test_held_out_fifth_is_not_fitted_to():
    seen = []

    class Spy(Ranker):
        def fit(self, samples, metric):
            seen.append(samples)
            return super().fit(samples, metric)

    results = draw(40)
    ranker = Spy(SPACE, progress=False, hidden=16, fitting=Training(40, 20))
    text = held_out_ranking(ranker, results, seed=4)
    order = np.random.default_rng(4).permutation(40)
    assert seen == [[results.samples[row] for row in order[8:]]]
    held = [results.samples[row] for row in order[:8]]
    tau = kendalltau(ranker.score(held), [metric_of(sample) for sample in held])[0]
    assert f'Held out 8 of 40: Kendall tau-b {tau:.3f} (' in text and 'NDCG' in text
