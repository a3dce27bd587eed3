"""Equal numbers of another type, and lists for tuples, are one choice for every reader."""

from __future__ import annotations

import functools
import json
import sqlite3

import nni
import numpy as np
import pandas as pd
import pytest
import torch
from nni.mutable import Categorical
from nni.nas.evaluator import FunctionalEvaluator
from nni.nas.experiment import NasExperiment
from nni.nas.experiment.config import NasExperimentConfig
from nni.nas.nn.pytorch import LayerChoice, ModelSpace, MutableConv2d, MutableLinear
from nni.tools.nnictl.config_utils import Experiments
from torch import nn

from nni_rankreg.archive import Archive
from nni_rankreg.predictor import WeakLabels, read_weak
from nni_rankreg.proxy import ProxyScorer
from nni_rankreg.regularizer import LandmarkRegularizer, TermContext
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.schedule import Schedule
from nni_rankreg.search import Evolution
from nni_rankreg.strategy import SPOS, LandmarkSearch
from nni_rankreg.table import TabularBenchmark, read_results
from nni_rankreg.typing import Results, sample_key

SPACE = {'w': Categorical([8, 16], label='w'), 'b': Categorical([True, False], label='b'),
         'k': Categorical([(1, 3), (3, 1)], label='k'), 'p': Categorical([0., 0.5], label='p')}
OWN = UniformSampler(SPACE).distinct(16)
METRICS = [index / 10 for index in range(16)]


def respelled(sample):
    """Return the same architecture as a spreadsheet may spell it."""
    return {'w': float(sample['w']), 'b': int(sample['b']), 'p': np.float64(sample['p']),
            'k': [float(one) for one in sample['k']]}


OTHER = list(map(respelled, OWN))


def as_csv(folder):
    rows = [{'sample': json.dumps(sample), 'metric': metric}
            for sample, metric in zip(OTHER, METRICS)]
    pd.DataFrame(rows).to_csv(folder / 'results.csv', index=False)
    return folder / 'results.csv'


def as_columns(folder):
    pd.DataFrame([{**sample, 'metric': metric} for sample, metric in zip(OTHER, METRICS)]
                 ).to_csv(folder / 'columns.csv', index=False)
    return str(folder / 'columns.csv')


def as_archive(folder):
    archive = Archive(folder / 'results.sqlite')
    archive.add_many(Results(OTHER, METRICS))
    return archive


SOURCES = [as_csv, as_columns, as_archive, lambda folder: TabularBenchmark(OTHER, METRICS),
           lambda folder: TabularBenchmark.from_csv(as_csv(folder)),
           lambda folder: pd.DataFrame({'sample': OTHER, 'metric': METRICS}),
           lambda folder: pd.DataFrame(OTHER).assign(metric=METRICS),
           lambda folder: Results(OTHER, METRICS), lambda folder: [OTHER, METRICS, None]]


@pytest.fixture
def run_sequential(tmp_path):
    """Return a function that runs a search in this process, and returns its models."""
    def run(space, evaluator, strategy):
        config = NasExperimentConfig('sequential', 'simplified')
        config.experiment_working_directory = tmp_path
        experiment = NasExperiment(space, evaluator, strategy, config)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr('nni.nas.experiment.experiment.Experiments',
                          functools.partial(Experiments, str(tmp_path)))
            experiment.run()
            experiment.stop()
        return list(strategy.list_models())
    return run


@pytest.mark.parametrize('make', SOURCES)
def test_results_for_a_space_are_spelled_as_it_does(make, tmp_path):
    found = read_results(make(tmp_path), space=SPACE)
    assert repr(found.samples) == repr(OWN) and found.metrics == METRICS
    term = LandmarkRegularizer(make(tmp_path)).term(TermContext(space=SPACE))
    assert repr(term.results.samples) == repr(OWN)


def test_without_a_space_equal_choices_are_one():
    assert list(map(sample_key, OTHER)) == list(map(sample_key, OWN))
    assert TabularBenchmark(OTHER, METRICS)(OWN).tolist() == METRICS
    assert Results(OTHER, METRICS).without(OWN[:15]).metrics == METRICS[15:]
    assert UniformSampler(SPACE).distinct(1, exclude=OTHER[:15]) == OWN[15:]
    weak = read_weak(WeakLabels(OTHER, {'flops': METRICS}), SPACE)
    assert repr(weak.samples) == repr(OWN)


def test_archive_finds_what_was_written_in_another_way(tmp_path):
    archive = as_archive(tmp_path)
    assert [archive.metric(one) for one in OWN] == METRICS
    archive.import_csv(as_csv(tmp_path))
    archive.add(OWN[0], 1.)
    assert len(archive) == 16 and archive.metric(OTHER[0]) == pytest.approx(1 / 3)


def test_archive_of_before_keeps_its_spelling(tmp_path):
    archive = Archive(tmp_path / 'results.sqlite')
    before = {'b': True, 'p': 0.}                            # was kept as Python writes it
    with sqlite3.connect(archive.path) as connection:
        connection.execute("INSERT INTO result (sample, metric, source, created) "
                           "VALUES (?, 1.0, 'stand-alone', '')", [json.dumps(before)])
    assert archive.metric(before) == 1. and before in archive
    archive.add(before, 0.5)
    assert len(archive) == 1 and archive.results() == Results([before], [0.75])


class Kernels(ModelSpace):
    """Choices that are tuples, numbers of NumPy, and a layer."""

    def __init__(self):
        super().__init__()
        width = nni.choice('w', np.array([4, 8]).tolist() + [np.int64(6)])
        self.conv = MutableConv2d(3, width, nni.choice('k', [(3, 3), (1, 5), (5, 1)]))
        self.act = LayerChoice([nn.ReLU(), nn.Tanh()], label='z')
        self.head = MutableLinear(width, 10)

    def forward(self, x):
        return self.head(self.act(self.conv(x)).mean((2, 3)))


def count_parameters(model):
    assert type(model.conv.kernel_size) is tuple
    nni.report_final_result(float(sum(one.numel() for one in model.parameters())))


def test_a_search_keeps_tuples_through_files_and_trials(tmp_path, run_sequential, make_evaluator):
    """The best of a super-net come back from the archive, and become trials and landmarks."""
    def search():
        landmarks = LandmarkRegularizer(weight=1., schedule=Schedule('constant', warmup=0))
        evolution = Evolution(population=9, evaluations=9, tournament=2, progress=False)
        return LandmarkSearch(SPOS([landmarks], evolution=evolution), make_evaluator(),
                              archive=tmp_path / 'a.sqlite', iterations=2, landmarks=3, top=2)

    models = run_sequential(Kernels(), FunctionalEvaluator(count_parameters), search())
    assert len(models) >= 7                                  # landmarks, and the best of each
    for sample, metric in Archive(tmp_path / 'a.sqlite').results().pairs():
        own = UniformSampler(Kernels()).canonical(sample)
        assert sample_key(own) == sample_key(sample)
        kernel, width = own['k'], own['w']
        assert metric == 3 * width * kernel[0] * kernel[1] + width + 10 * width + 10
    assert [model.sample for model in run_sequential(  # again: nothing is left to run
        Kernels(), FunctionalEvaluator(count_parameters), search())] == [
            model.sample for model in models]


def test_networks_and_scores_take_equal_choices(make_evaluator):
    samples = UniformSampler(Kernels()).distinct(4)
    other = [{'w': float(one['w']), 'k': list(one['k']), 'z': bool(one['z'])} for one in samples]
    batch = torch.zeros(2, 3, 8, 8), torch.zeros(2, dtype=torch.long)
    proxy = ProxyScorer('params', Kernels(), batch)
    assert proxy(other).tolist() == ProxyScorer('params', Kernels(), batch)(samples).tolist()
    score = SPOS().train(Kernels(), make_evaluator()).scorer()
    assert score(other).tolist() == score(samples).tolist()
