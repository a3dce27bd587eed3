"""NNI's benchmark databases: tiny ones of the same schema, as nobody's tests can hold the real."""

from __future__ import annotations

import pytest
import torch
from nni.nas.benchmark.nasbench101 import graph_util
from nni.nas.benchmark.nasbench101 import schema as schema101
from nni.nas.benchmark.nasbench201 import schema as schema201
from nni.nas.benchmark.nds import schema as schema_nds
from nni.nas.space import SimplifiedModelSpace
from playhouse.sqlite_ext import SqliteExtDatabase

from nni_rankreg.sampler import UniformSampler
from nni_rankreg.space import (
    ENAS,
    Genotype,
    NasBench101,
    NasBench201,
    decode_nasbench101,
    decode_nds,
)
from nni_rankreg.table import DatabaseEvaluator, UnknownArchitectureError

CELL = ([[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0]],
        ['input', 'conv3x3-bn-relu', 'maxpool3x3', 'output'])
HUB = {'cell/num_nodes': 4, 'cell/op1': 'conv3x3-bn-relu', 'cell/op2': 'maxpool3x3',
       'cell/input1': [0], 'cell/input2': [0], 'cell/input3': [1, 2]}
PAIRS = [('skip_connect', 0), ('max_pool_3x3', 1)] * 5


@pytest.fixture
def database(monkeypatch):
    """Return a function: schema -> its tables in an empty database in memory."""
    def make(schema, *tables):
        memory = SqliteExtDatabase(':memory:')
        monkeypatch.setattr(schema.proxy, 'obj', None)
        schema.proxy.initialize(memory)
        memory.create_tables(tables)
        return tables
    return make


def test_nasbench201(database):
    config, stats = database(schema201, schema201.Nb201TrialConfig, schema201.Nb201TrialStats)
    first, other = UniformSampler(NasBench201(4, 1), seed=1).distinct(2)
    arch = {label.removeprefix('cell/'): choice for label, choice in first.items()}
    numbers = dict.fromkeys(('train_acc', 'test_acc', 'ori_test_acc', 'parameters', 'latency',
                             'flops', 'training_time', 'valid_evaluation_time',
                             'test_evaluation_time', 'ori_test_evaluation_time'), 0.)
    for epochs, dataset, accuracies in ((200, 'cifar100', (70., 72.)), (12, 'cifar100', (50.,)),
                                        (200, 'cifar10-valid', (90.,))):
        row = config.create(arch=arch, num_epochs=epochs, num_channels=16, num_cells=5,
                            dataset=dataset)
        for seed, accuracy in enumerate(accuracies):
            stats.create(config=row, seed=seed, valid_acc=accuracy, **numbers)
    evaluator = DatabaseEvaluator('nasbench201')
    assert evaluator([first, first]).tolist() == [71., 71.]
    assert DatabaseEvaluator('nasbench201', epochs=12).lookup(first) == 50.
    assert DatabaseEvaluator('nasbench201', dataset='cifar10-valid').lookup(first) == 90.
    with pytest.raises(UnknownArchitectureError, match='that the database nasbench201 holds, got'):
        evaluator.lookup(other)
    with pytest.raises(ValueError, match="a metric of nasbench201, one of .*'valid_acc'.*got 'x'"):
        DatabaseEvaluator('nasbench201', metric='x').lookup(first)
    model = SimplifiedModelSpace.from_model(NasBench201(4, 1), evaluator).freeze(first)
    assert evaluator._execute(model) == 71.


def test_nasbench101_by_the_graph_whatever_its_labels(database):
    config, stats = database(schema101, schema101.Nb101TrialConfig, schema101.Nb101TrialStats)
    arch = {label.removeprefix('cell/'): choice for label, choice in HUB.items()
            if 'num' not in label}
    row = config.create(arch=arch, num_vertices=4, num_epochs=108,
                        hash=graph_util.hash_module(arch, 4))
    for accuracy in (93., 94., 95.):
        stats.create(config=row, train_acc=1., valid_acc=accuracy, test_acc=accuracy - 1,
                     parameters=1., training_time=1.)
    swapped = [CELL[1][i] for i in (0, 2, 1, 3)]
    sample = decode_nasbench101(CELL)
    for one in (sample, HUB, decode_nasbench101((CELL[0], swapped))):
        assert DatabaseEvaluator('nasbench101').lookup(one) == 94.
    assert DatabaseEvaluator('nasbench101', metric='test_acc').lookup(sample) == 93.
    with pytest.raises(UnknownArchitectureError):
        DatabaseEvaluator('nasbench101', epochs=4).lookup(sample)
    assert torch.is_tensor(DatabaseEvaluator('nasbench101')([sample]))
    assert sample.keys() == UniformSampler(NasBench101(8, 1, 1)).sample().keys()


def test_nds(database):
    config, stats = database(schema_nds, schema_nds.NdsTrialConfig, schema_nds.NdsTrialStats)
    genotype = Genotype(PAIRS, range(2, 7), PAIRS, range(2, 7), width=16, depth=8)
    cells = {f'{cell}_{i}_{kind}_{slot}': value for cell in ('normal', 'reduce')
             for i in range(5) for slot, pair in zip('xy', PAIRS[:2])
             for kind, value in zip(('op', 'input'), pair)}
    cells |= {'normal_concat': [2, 3, 4, 5, 6], 'reduce_concat': [2, 3, 4, 5, 6]}
    numbers = dict.fromkeys(('final_train_acc', 'final_test_acc', 'best_train_acc', 'parameters',
                             'flops', 'iter_time'), 0.)
    for width, accuracy in ((16, 95.), (24, 96.)):
        row = config.create(
            model_family='nas_cell', model_spec={'width': width, 'depth': 8}, cell_spec=cells,
            dataset='cifar10', generator='random', proposer='enas', base_lr=.1, weight_decay=0.,
            num_epochs=100)
        stats.create(config=row, seed=1, best_test_acc=accuracy, **numbers)
    evaluator = DatabaseEvaluator('nds', proposer='ENAS')
    sample = decode_nds(genotype, ENAS)
    assert evaluator.lookup(sample) == 95.
    assert evaluator.lookup({**sample, 'width': 24}) == 96.
    with pytest.raises(UnknownArchitectureError):
        evaluator.lookup({**sample, 'depth': 11})
    with pytest.raises(UnknownArchitectureError):
        DatabaseEvaluator('nds', proposer='ENAS', generator='fix_w_d').lookup(sample)


@pytest.mark.parametrize('arguments, message', [
    (('nasbench301',), "one of nasbench101, nasbench201, nds, got 'nasbench301'"),
    (('nds',), 'Expected a proposer for nds, one of DARTS, .* got None for nds'),
    (('nasbench201', None, None, None, 'DARTS'), "got 'DARTS' for nasbench201"),
])
def test_wrong_names(arguments, message):
    names = ('name', 'dataset', 'epochs', 'metric', 'proposer')
    with pytest.raises(ValueError, match=message):
        DatabaseEvaluator(**dict(zip(names, arguments)))
