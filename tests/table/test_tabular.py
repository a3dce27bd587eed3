"""Tables, against dictionaries, scipy and published numbers; and under NNI's own strategies."""

from __future__ import annotations

import json

import nni
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from nni.nas.execution import SequentialExecutionEngine
from nni.nas.hub.pytorch import NasBench201
from nni.nas.space import SimplifiedModelSpace
from nni.nas.strategy import GridSearch, Random, RegularizedEvolution
from scipy.stats import kendalltau, rankdata

from nni_rankreg.metric import kendall_tau
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.space import decode_nasbench201, encode_nasbench201
from nni_rankreg.table import TableEvaluator, TabularBenchmark, digits
from nni_rankreg.typing import Results, sample_key

SAMPLES: list = [{'op': 'conv', 'inputs': [0]}, {'op': 'pool', 'inputs': [1]},
                 {'op': 'skip', 'inputs': []}]
VALUES = [[0.9, 0.8, 0.7], [0.5, 0.6, 0.1 + 0.2], [0.7, 0.7, 0.2]]


@pytest.fixture
def table():
    return TabularBenchmark(SAMPLES, VALUES, name='toy')


def test_scores_are_means_over_seeds(table):
    scores = table([SAMPLES[2], SAMPLES[0], SAMPLES[2]])
    assert scores.dtype == torch.float64 and scores.shape == (3,)
    assert scores.tolist() == pytest.approx([1.6 / 3, 0.8, 1.6 / 3])
    assert table([]).shape == (0,)
    assert table([dict(reversed(SAMPLES[0].items()))]).item() == pytest.approx(0.8)


def test_scores_of_a_single_column():
    assert TabularBenchmark(SAMPLES, [1, 2, 3])(SAMPLES).tolist() == [1., 2., 3.]


def test_properties(table):
    assert table.samples == SAMPLES and table.values.tolist() == VALUES and table.name == 'toy'
    assert table.metrics == table(SAMPLES).tolist()
    assert table.results == Results(SAMPLES, table.metrics)
    assert len(table) == 3 and SAMPLES[1] in table and {'op': 'conv'} not in table
    assert repr(table) == "TabularBenchmark(3 architectures, name='toy')"


def test_unknown_architecture(table):
    with pytest.raises(KeyError, match="^Expected an architecture of the table 'toy' with 3 rows, "
                                       'such as .*got {"op": "none"}'):
        table([SAMPLES[0], {'op': 'none'}])


@given(st.lists(st.integers(0, 5).map(float), min_size=1, max_size=8), st.integers(-1, 6))
def test_rank_is_that_of_scipy(values, metric):
    table = TabularBenchmark([{'x': i} for i in range(len(values))], values)
    assert [table.rank(value) for value in values] == rankdata(-np.array(values), 'min').tolist()
    assert table.rank(metric) == 1 + sum(value > metric for value in values)


def test_reliability_is_that_of_scipy(table):
    columns = np.array(VALUES).T
    expected = np.mean([kendalltau(columns[i], columns[j]).statistic
                        for i, j in ((0, 1), (0, 2), (1, 2))])
    assert table.reliability() == pytest.approx(expected) and expected < 1


@pytest.mark.parametrize('values', [[1., 2., 3.], [[1.], [2.], [3.]]])
def test_reliability_needs_seeds(values):
    with pytest.raises(ValueError, match='Expected values of at least two seeds, got shape'):
        TabularBenchmark(SAMPLES, values).reliability()


@pytest.mark.parametrize('samples, values, message', [
    (SAMPLES, [1., 2.], r'Expected values of shape \(N,\) .* N = 3 samples.* got shape \(2,\)'),
    (SAMPLES, np.zeros((3, 1, 1)), r'got shape \(3, 1, 1\)'),
    (SAMPLES, np.zeros((3, 0)), r'got shape \(3, 0\)'),
    ([], [], r'N = 0 samples, at least one'),
    (SAMPLES, [1., float('nan'), float('inf')], 'Expected finite values, got 2 that are not'),
    ([SAMPLES[0]] * 3, [1., 2., 3.], 'Expected 3 different architectures, got 1'),
])
def test_invalid_tables(samples, values, message):
    with pytest.raises(ValueError, match=message):
        TabularBenchmark(samples, values)


def test_subset():
    full = TabularBenchmark([{'x': i} for i in range(50)], np.arange(100).reshape(50, 2), 'full')
    part = full.subset(10, seed=1)
    assert len(part) == 10 and part.name == 'full' and part.values.shape == (10, 2)
    assert part(part.samples).tolist() == full(part.samples).tolist()
    assert part.samples == full.subset(10, seed=1).samples != full.subset(10, seed=2).samples
    assert full.subset(20, seed=1).samples[:10] == part.samples
    rest = full.subset(40, seed=3, exclude=[*part.samples, {'x': 'of another table'}])
    assert {sample['x'] for sample in rest.samples + part.samples} == set(range(50))
    with pytest.raises(ValueError, match='Expected a count from 1 to 40, the .*, got 41'):
        full.subset(41, seed=3, exclude=part.samples)


# Files

@pytest.mark.parametrize('values', [VALUES, [1 / 3, 2., 1e-300], [[1], [2], [3]]])
def test_csv_round_trip(tmp_path, values):
    table = TabularBenchmark(SAMPLES, values)
    table.to_csv(tmp_path / 'a.csv')
    again = TabularBenchmark.from_csv(tmp_path / 'a.csv')
    assert again.samples == SAMPLES and again.name == 'a'
    assert np.array_equal(again.values, np.squeeze(values))


CSV = 'arch,metric_seed0,other,metric_seed1\na,1,7,3\nb,2,8,5\n'


@pytest.mark.parametrize('column, values', [
    (None, [[1, 3], [2, 5]]), ('other', [7, 8]), (['other', 'metric_seed0'], [[7, 1], [8, 2]])])
def test_csv_columns(tmp_path, column, values):
    (tmp_path / 'a.csv').write_text(CSV)
    table = TabularBenchmark.from_csv(tmp_path / 'a.csv', column=column, name='mine',
                                      decode=lambda text: {'op': text})
    assert table.values.tolist() == values and table.name == 'mine'
    assert table.samples == [{'op': 'a'}, {'op': 'b'}]


@pytest.mark.parametrize('text, options, message', [
    (CSV, {}, r"Expected a column 'sample' in .*a.csv, got \['arch'"),
    (CSV, dict(decode=decode_nasbench201), r"in line 2 of .*a.csv, got: Expected a string.*'a'"),
    (CSV, dict(decode=str, column='acc'), "Expected a column 'acc' in"),
    ('sample,x\n{},1\n', {},
     r"Expected a column that begins with metric in .*got \['sample', 'x'\]"),
    ('sample,metric\n', {}, 'Expected rows below the header, line 1 of .*a.csv, got none'),
    ('sample,metric\n"{""a"": 1}",\n', {}, 'in line 2 of .*convert string to float'),
    ('sample,metric\n{},1\n', {}, 'in line 2 of .*label to choice, got an empty one'),
    ('sample,metric\n"{""a"": 1}",nan\n', {}, 'in line 2 of .*nan, which is not finite'),
    ('sample,metric\n[1],1\n', {}, 'in line 2 of .*Expected a JSON object'),
])
def test_csv_errors(tmp_path, text, options, message):
    (tmp_path / 'a.csv').write_text(text)
    with pytest.raises(ValueError, match=message):
        TabularBenchmark.from_csv(tmp_path / 'a.csv', **options)


def test_npz(tmp_path):
    path = tmp_path / 'a.npz'
    np.savez(path, arch=np.array([b'{"x": 1}', b'{"x": 2}', b'{"x": 3}']), one=[1., 2., np.nan],
             two=np.array([[1, 2], [3, 4], [5, 6]]))
    one = TabularBenchmark.from_npz(path, 'one', json.loads)
    assert one.samples == [{'x': 1}, {'x': 2}] and one.values.tolist() == [1., 2.]
    assert one.name == 'a: one'
    assert TabularBenchmark.from_npz(path, 'two', json.loads).values.tolist() == [
        [1, 2], [3, 4], [5, 6]]
    assert TabularBenchmark.from_npz(path, ['two', 'one'], json.loads).values.tolist() == [
        [1, 2, 1], [3, 4, 2]]
    with pytest.raises(ValueError, match=r"Expected the arrays .*'three'.*got \['arch', 'one'"):
        TabularBenchmark.from_npz(path, 'three', json.loads)


@pytest.mark.parametrize('arrays', [
    {'one': [1., 2.]}, {'one': ['1', '2', 'x']}, {'one': 1.}, {'one': [[[1.]]] * 3},
    {'arch': '{}'}, {'arch': [['{}']] * 3}])
def test_npz_of_other_shapes(tmp_path, arrays):
    np.savez(tmp_path / 'a.npz', **{'arch': ['{"x": 1}', '{"x": 2}', '{"x": 3}'],
                                    'one': [1., 2., 3.], **arrays})
    with pytest.raises(ValueError, match=r'Expected N architectures and numbers .*, got arch <U'):
        TabularBenchmark.from_npz(tmp_path / 'a.npz', 'one', json.loads)


@pytest.mark.slow
def test_nasbench201_as_published(shared_data):
    path = shared_data / 'nb201.npz'
    truth = TabularBenchmark.from_npz(path, 'test_c10_200', decode_nasbench201)
    oneshot = TabularBenchmark.from_npz(path, 'oneshot_acc_c10', decode_nasbench201)
    assert len(truth) == 15625
    tau = kendall_tau(oneshot(truth.samples), truth(truth.samples))
    assert tau == pytest.approx(0.484, abs=5e-4)
    best = truth.samples[int(np.argmax(truth.metrics))]
    assert max(truth.metrics) == pytest.approx(94.37, abs=5e-3)
    assert encode_nasbench201(best) == (
        '|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|'
        'nor_conv_1x1~2|')
    # Ranks of Table 1 of the landmark paper, whose accuracies are rounded to 0.02.
    for rank, accuracy in ((3383, 92.30), (109, 93.835), (649, 93.34)):
        assert abs(truth.rank(accuracy) - rank) < 60
    assert set(map(sample_key, truth.samples)) == set(
        map(sample_key, UniformSampler(NasBench201(4, 1, 10)).distinct(15625)))


def test_digits():
    table = digits()
    space = NasBench201(4, 1, 10)
    assert all(space.contains(sample) for sample in table.samples)
    assert table.values.ndim == 2 and 0 <= table.values.min() <= table.values.max() <= 1
    assert 0.3 < table.reliability() < 1


# NNI

@pytest.fixture(scope='module')
def toy_csv(tmp_path_factory):
    """Write a table of the cells whose accuracy is their number of 3x3 convolutions / 10."""
    samples = UniformSampler(NasBench201(4, 1, 10)).distinct(15625)
    metrics = [sum(op == 'conv_3x3' for op in sample.values()) / 10 for sample in samples]
    path = tmp_path_factory.mktemp('table') / 'toy.csv'
    TabularBenchmark(samples, metrics).to_csv(path)
    return str(path)


@pytest.mark.slow
@pytest.mark.parametrize('strategy', [
    Random(seed=0), GridSearch(seed=0),
    RegularizedEvolution(population_size=10, sample_size=4, seed=0),
], ids=lambda strategy: type(strategy).__name__)
def test_strategies_of_nni_run_on_a_table(toy_csv, strategy):
    engine = SequentialExecutionEngine(max_model_count=60)
    space = SimplifiedModelSpace.from_model(NasBench201(4, 1, 10), TableEvaluator(toy_csv))
    strategy(space, engine)
    models = list(engine.list_models())
    assert len(models) == 60
    for model in models:
        assert model.metric == sum(op == 'conv_3x3' for op in model.sample.values()) / 10
    if isinstance(strategy, RegularizedEvolution):
        first, last = (np.mean([model.metric for model in part])
                       for part in (models[:10], models[-10:]))
        assert last > first + 0.1


def test_evaluator_travels_to_a_trial(toy_csv):
    evaluator = nni.load(nni.dump(TableEvaluator(toy_csv, column='metric', delay=0.)))
    space = SimplifiedModelSpace.from_model(NasBench201(4, 1, 10), evaluator)
    sample = UniformSampler(NasBench201(4, 1, 10)).sample()
    model = nni.load(nni.dump(space.freeze(sample)))
    assert evaluator.trace_kwargs == {'path': toy_csv, 'column': 'metric', 'delay': 0.}
    assert model.execute() == sum(op == 'conv_3x3' for op in sample.values()) / 10


def test_evaluator_decodes(tmp_path):
    string = '|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|'
    path = tmp_path / 'a.csv'
    path.write_text(f'arch,metric\n{string},0.25\n')
    evaluator = nni.load(nni.dump(TableEvaluator(str(path), decode=decode_nasbench201)))
    space = SimplifiedModelSpace.from_model(NasBench201(4, 1, 10), evaluator)
    assert space.freeze(decode_nasbench201(string)).execute() == 0.25
    with pytest.raises(KeyError, match='Expected an architecture of the table'):
        space.freeze(decode_nasbench201(string.replace('none', 'skip_connect'))).execute()


def test_evaluator_notices_a_rewritten_table(tmp_path):
    space = NasBench201(4, 1, 10)
    sample = UniformSampler(space).sample()
    for metric in (0.25, 0.125):
        TabularBenchmark([sample], [metric]).to_csv(tmp_path / 'a.csv')
        evaluator = TableEvaluator(str(tmp_path / 'a.csv'))
        assert SimplifiedModelSpace.from_model(space, evaluator).freeze(sample).execute() == metric


def test_evaluator_waits(tmp_path, monkeypatch):
    space = NasBench201(4, 1, 10)
    sample = UniformSampler(space).sample()
    TabularBenchmark([sample], [1.]).to_csv(tmp_path / 'a.csv')
    waited: list = []
    monkeypatch.setattr('time.sleep', waited.append)
    evaluator = TableEvaluator(str(tmp_path / 'a.csv'), delay=2.5)
    SimplifiedModelSpace.from_model(space, evaluator).freeze(sample).execute()
    assert waited == [2.5]


def test_evaluator_errors(toy_csv):
    with pytest.raises(ValueError, match='Expected a delay of at least 0 seconds, got -1'):
        TableEvaluator(toy_csv, delay=-1)
    with pytest.raises(ValueError, match="Expected a column 'acc'"):
        TableEvaluator(toy_csv, column='acc')
    space = SimplifiedModelSpace.from_model(NasBench201(4, 1, 10), TableEvaluator(toy_csv))
    with pytest.raises(ValueError, match='Expected a model frozen to one architecture'):
        space.execute()
