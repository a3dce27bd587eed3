"""What is measured of a ranking, against SciPy, and on which architectures."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from scipy.stats import kendalltau

from nni_rankreg.sampler import UniformSampler
from nni_rankreg.supernet import RankingProbe, Scoring
from nni_rankreg.typing import Results

SAMPLES = [{'op': index} for index in range(6)]
SCORES = [0.3, 0.1, 0.5, 0.4, 0.6, 0.2]
TRUTH = Results(SAMPLES, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], 'max')
METRICS = {'val_acc': 0.7, 'val_loss': 1.5, 'train_loss': 9.}


class Table(Scoring):
    """Scores by a table instead of a super-net."""

    def __init__(self, scores=SCORES):
        super().__init__()
        self.scores, self.asked = scores, []

    def scorer(self, module, metric=None, mode='max', *, progress=False):
        self.asked.append((metric, mode, progress))
        return lambda samples: torch.tensor([self.scores[one['op']] for one in samples],
                                            dtype=torch.float64)


def part(*indices):
    """Return what is known of some of the architectures."""
    return Results([SAMPLES[index] for index in indices],
                   [TRUTH.metrics[index] for index in indices], 'max')


def measure(*args, metrics=METRICS, scores=SCORES, **kwargs):
    """Measure a super-net that has been validated with these metrics."""
    module = SimpleNamespace(
        ranks=SimpleNamespace(mean=lambda value: value),
        trainer=SimpleNamespace(callback_metrics={name: torch.tensor(value, dtype=torch.float64)
                                                  for name, value in metrics.items()}))
    return RankingProbe(*args, scoring=Table(scores), **kwargs).measure(module)


@pytest.mark.parametrize('known', [[], [part(0)], [part(0), part(2, 1)]])
def test_against_the_truth_without_what_the_training_knows(known):
    left = [index for index in range(6) if not any(SAMPLES[index] in one.samples for one in known)]
    metrics, measured = measure(TRUTH, known)
    expected, _ = kendalltau([SCORES[index] for index in left], part(*left).metrics)
    assert metrics == {'val_acc': 0.7, 'val_loss': 1.5, 'kendall_tau': pytest.approx(expected),
                       'default': metrics['kendall_tau']}
    assert measured == {'scores': [SCORES[index] for index in left], 'metrics': part(*left).metrics}


def test_without_a_truth_what_is_known_is_measured_on_and_named_so():
    metrics, measured = measure(None, [part(), part(0, 1, 2), part(3, 4)])
    expected, _ = kendalltau(SCORES[:3], TRUTH.metrics[:3])
    assert metrics['kendall_tau_landmarks'] == metrics['default'] == pytest.approx(expected)
    assert 'kendall_tau' not in metrics and measured['metrics'] == TRUTH.metrics[:3]


def test_of_many_known_architectures_some_are_measured_on():
    """The same ones after each epoch, and in their order."""
    samples = [{'op': index} for index in range(3000)]
    truth = Results(samples, list(range(3000)), 'max')
    first, again, few = (RankingProbe(truth, scoring=Scoring(**options)).results
                         for options in ({}, {}, {'measured': 7}))
    assert first == again and len(first.samples) == 1000 and len(few.samples) == 7
    assert first.metrics == sorted(first.metrics) == [one['op'] for one in first.samples]
    assert abs(sum(first.metrics) / 1000 - 1500) < 100  # four deviations of the mean
    with pytest.raises(ValueError, match='Expected measured of at least 2 architectures, got 1'):
        Scoring(measured=1)


def test_a_truth_to_minimise_is_reported_in_the_sign_of_the_user():
    """What is measured on is higher is better already."""
    losses = Results(SAMPLES, [-metric for metric in TRUTH.metrics], 'max')
    metrics, measured = measure(losses, mode='min')
    expected, _ = kendalltau(SCORES, losses.metrics)
    assert metrics['default'] == pytest.approx(expected)
    assert measured == {'scores': SCORES, 'metrics': TRUTH.metrics}


@pytest.mark.parametrize('probe', [(), (part(2),), (TRUTH, [part(*range(5))]), (None, [part(1)])])
@pytest.mark.parametrize('metrics, mode, expected', [
    (METRICS, 'max', 0.7), (METRICS, 'min', 1.5), ({'val_loss': 1.5}, 'max', -1.5),
    ({'val_loss': 1.5}, 'min', 1.5), ({}, 'max', math.nan), ({}, 'min', math.nan),
    ({'val_acc/dataloader_idx_0': .7, 'val_acc/dataloader_idx_1': .1}, 'max', .7)])
def test_fewer_than_two_are_no_ranking(probe, metrics, mode, expected):
    """Then NNI plots the accuracy, or the loss in the user's sign."""
    found, measured = measure(*probe, metrics=metrics, mode=mode)
    kept = {name: value for name, value in metrics.items() if name.startswith('val_')}
    assert found == pytest.approx({**kept, 'default': expected}, nan_ok=True)
    assert measured == {}


def test_constant_scores_order_nothing():
    """A tau that is undefined would stop NNI's plots."""
    metrics, measured = measure(TRUTH, scores=[1.] * 6)
    assert metrics['kendall_tau'] == metrics['default'] == 0. and measured['scores'] == [1.] * 6


def test_scores_are_of_the_metric_and_mode():
    scoring = Table()
    RankingProbe(scoring=scoring, metric='val_rmse', mode='min').scorer(None, progress=True)
    assert scoring.asked == [('val_rmse', 'min', True)]


def test_after_each_epoch_of_a_training(make_module, make_space, make_loader, fit):
    samples = UniformSampler(make_space(), seed=8).distinct(5)
    truth = Results(samples, [float(index) for index in range(5)], 'max')
    probe = RankingProbe(truth, [Results(samples[:1], [0.])])
    module = make_module(probe=probe)
    record = fit(module, make_loader(), make_loader(12, 4, seed=1), max_epochs=2)
    scores = probe.scorer(module)(samples[1:]).tolist()
    assert module.measured == {'scores': scores, 'metrics': truth.metrics[1:]}
    assert [one['epoch'] for one in module.history] == [0., 1.]
    last, (expected, _) = module.history[1], kendalltau(scores, truth.metrics[1:])
    assert last['kendall_tau'] == last['default'] == pytest.approx(expected)
    assert {'val_acc', 'val_loss'} <= set(last)
    assert record.trainer.callback_metrics['kendall_tau'].item() == pytest.approx(expected)
