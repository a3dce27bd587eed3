"""Tests of `nni_rankreg.predictor.reliability`."""

from __future__ import annotations

import math
from dataclasses import astuple

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from nni_rankreg.archive import Archive
from nni_rankreg.metric import bootstrap_interval, kendall_tau
from nni_rankreg.predictor import (
    Reliability,
    read_reliability,
    record_predictions,
    reliability_rounds,
)
from nni_rankreg.predictor.reliability import correct_for_selection
from nni_rankreg.typing import Results


def normal(correlation, count, seed=0):
    random = np.random.default_rng(seed)
    predicted = random.normal(size=count)
    noise = math.sqrt(1 - correlation ** 2) * random.normal(size=count)
    return predicted, correlation * predicted + noise


def compared(predicted, metrics, random=None):
    reliability = Reliability()
    reliability.add({'source': predicted}, metrics, [True] * len(metrics) if random is None
                    else random)
    return reliability


def test_among_trained_is_what_scipy_finds():
    predicted, metrics = normal(.6, 60)
    found = compared(predicted, metrics, [False] * 60).among_trained('source')
    assert found.tau == pytest.approx(stats.kendalltau(predicted, metrics).statistic)
    resampled = bootstrap_interval(kendall_tau, predicted, metrics)
    shrunk = found.tau * 1770 / 1771                                       # of 60 * 59 / 2 pairs
    normal_one = np.tanh(np.arctanh(shrunk) + np.sqrt(.437 / 56) * np.array([-1.96, 1.96]))
    assert (found.low, found.high) == pytest.approx((min(resampled[0], normal_one[0]),
                                                     max(resampled[1], normal_one[1])))


def test_random_ones_tell_of_the_whole_space():
    """The best by prediction are trained, too: they do not count."""
    predicted, metrics = normal(.8, 4000)
    best, drawn = np.argsort(-predicted)[:60], np.arange(200)
    rows = [*best, *drawn]
    reliability = compared(predicted[rows], metrics[rows], [False] * 60 + [True] * 200)
    truth = stats.kendalltau(predicted, metrics).statistic
    found = reliability.over_all('source')
    assert reliability.count('source') == 200 and found.low < truth < found.high
    assert found.tau == pytest.approx(stats.kendalltau(predicted[:200], metrics[:200]).statistic)
    assert abs(reliability.among_trained('source').tau - truth) > .05


@pytest.mark.slow
@pytest.mark.parametrize('correlation', [.5, .8, .95])
def test_selection_by_the_metric(correlation):
    predicted, metrics = normal(correlation, 6000)
    upper = metrics > np.median(metrics)
    truth = stats.kendalltau(predicted[upper], metrics[upper]).statistic
    found = compared(predicted, metrics).over_upper_half('source')
    assert found.tau == pytest.approx(truth, abs=.04) and found.low < found.tau < found.high


@pytest.mark.parametrize('correlation', [.5, .8])
def test_selection_by_the_prediction(correlation):
    predicted, metrics = normal(correlation, 40_000)
    chosen = predicted > 1.
    among = stats.kendalltau(predicted[chosen], metrics[chosen]).statistic
    truth = stats.kendalltau(predicted, metrics).statistic
    assert among < truth - .1
    corrected = correct_for_selection(among, 1 / predicted[chosen].std())
    assert corrected == pytest.approx(truth, abs=.04)


@pytest.mark.slow
@pytest.mark.parametrize('count', [5, 6, 8, 11, 20])
@pytest.mark.parametrize('correlation', [.7, .9])
def test_interval_covers_the_truth(correlation, count):
    """Resamples alone would hold it in 80 and 90 % for five and six architectures."""
    truth = stats.kendalltau(*normal(correlation, 20_000)).statistic
    inside = 0
    for seed in range(200):
        found = compared(*normal(correlation, count, seed + 1)).over_all('source')
        inside += found.low <= truth <= found.high
    assert inside >= 182 and (count < 20 or inside < 200)


def test_five_in_order_are_not_certain():
    found = compared(range(5), range(5)).over_all('source')
    assert found.tau == pytest.approx(1) and found.low < .5


def test_what_is_unknown_is_left_out():
    reliability = compared([1., math.nan, 2., 3.], [.1, .2, math.nan, .3])
    assert reliability.count('source') == 2
    assert math.isnan(reliability.over_all('source').tau) and str(reliability) == ''


def test_sources_that_begin_later():
    reliability = compared([1, 2, 4, 3, 5, 6], range(6))
    reliability.add({'source': range(3), 'late': range(3)}, range(3), [True] * 3)
    table = reliability.table().set_index('source')
    assert table['random'].to_dict() == {'source': 9, 'late': 3}
    assert 'source' in str(reliability) and 'late' not in str(reliability)


def test_a_constant_says_nothing():
    assert math.isnan(compared([1.] * 9, range(9)).over_all('source').tau)
    assert math.isnan(compared(range(9), [1.] * 9).over_upper_half('source').tau)


def test_wrong_length():
    with pytest.raises(ValueError, match='Expected 2 metrics and predictions of source, got 2 and'):
        compared([1., 2., 3.], [1., 2.])


@pytest.mark.parametrize('mode', ['max', 'min'])
def test_archive_keeps_predictions(tmp_path, mode):
    archive = Archive(tmp_path / 'x.sqlite')
    archive.record_job('evaluation', 'evaluation', {})
    archive.record_result('evaluation', {'digest': '', 'mode': mode})
    samples, random = [{'x': index} for index in range(6)], [True] * 6
    record_predictions(archive, 'round 1', samples, random, {'vote': np.arange(6.)})
    record_predictions(archive, 'round 1', samples, random, {'vote': -np.arange(6.)})   # stays
    assert read_reliability(archive).count('vote') == 0
    for sample in samples[:5]:
        archive.add(sample, sample['x'] if mode == 'max' else -sample['x'])
    found = read_reliability(Archive(tmp_path / 'x.sqlite'))
    assert found.count('vote') == 5 and found.among_trained('vote').tau == pytest.approx(1)


def test_a_continued_search_adds_what_is_new(tmp_path):
    """A longer round with the same name, and a source that was not asked before."""
    archive, predicted = Archive(tmp_path / 'x.sqlite'), np.arange(8.)
    samples = [{'x': index} for index in range(8)]
    archive.add_many(Results(samples, list(range(8))))
    for count in (3, 8, 8):
        record_predictions(archive, 'round 2', samples[:count], [True] * count,
                           {'vote': predicted[:count]})
    assert len(archive.jobs()) == 2 and read_reliability(archive).count('vote') == 8
    record_predictions(archive, 'round 2', samples, [False] * 8,
                       {'vote': -predicted, 'late': predicted})
    found = read_reliability(archive)
    assert found.over_all('vote').tau == pytest.approx(1) and found.count('vote') == 8
    assert found.among_trained('late').tau == pytest.approx(1) and found.count('late') == 0


def test_rounds_grow_into_the_whole(tmp_path):
    """After each round the same as of a search that had ended there."""
    generator = np.random.default_rng(0)
    archive, sofar = Archive(tmp_path / 'a.sqlite'), Reliability()
    assert reliability_rounds(archive).empty
    wanted = []
    for stage in range(3):
        samples = [{'x': stage, 'y': number} for number in range(6)]
        metrics, predicted = generator.normal(size=(2, 6))
        random = [True] * 4 + [False] * 2
        record_predictions(archive, f'{stage}', samples, random, {'vote': predicted})
        archive.add_many(Results(samples, metrics.tolist()))
        sofar.add({'vote': predicted}, metrics, random)
        wanted.append([stage + 1, 'vote', 4 * (stage + 1), *astuple(sofar.over_all('vote'))])
    found = reliability_rounds(archive)
    assert list(found) == ['round', 'source', 'random', 'tau', 'low', 'high']
    assert found['tau'].isna().tolist() == [True, False, False], 'four trainings tell nothing'
    pd.testing.assert_frame_equal(found, pd.DataFrame(wanted, columns=list(found)))
