"""Networks of NAS-Bench-101, against the benchmark's parameters and a plain computation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from nni.nas.hub.pytorch import NasBench101 as NniNasBench101
from nni.nas.nn.pytorch import ModelSpace
from nni.nas.oneshot.pytorch.strategy import is_supernet
from nni.nas.space import model_context
from nni.nas.strategy import RandomOneShot
from torch import nn

from nni_rankreg.host.network.activation import Activator
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.space import NasBench101, decode_nasbench101, encode_nasbench101
from nni_rankreg.space.nasbench101.cell import FixedCell
from nni_rankreg.space.nasbench101.code import OPERATIONS
from nni_rankreg.space.nasbench101.graph import vertex_channels

NUMBERS = {-1: 'input', -2: 'output', **dict(enumerate(OPERATIONS))}
BEST = decode_nasbench101((
    [[0, 1, 1, 0, 1, 1, 0], [0, 0, 0, 0, 0, 0, 1], [0, 0, 0, 1, 0, 0, 0], [0, 0, 0, 0, 1, 0, 0],
     [0, 0, 0, 0, 0, 1, 0], [0, 0, 0, 0, 0, 0, 1], [0] * 7],
    ['input', 'conv1x1-bn-relu', 'conv3x3-bn-relu', 'maxpool3x3', 'conv3x3-bn-relu',
     'conv3x3-bn-relu', 'output']))


def trial_network(sample, *args):
    with model_context(sample):
        return NasBench101(*args)


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.slow
def test_parameters_are_those_of_the_benchmark(shared_data):
    with np.load(shared_data / 'nb101_weightsharing.npz') as table:
        columns = [table[name] for name in ('adj', 'ops', 'n_vertices', 'params')]
    random, seen = np.random.RandomState(0), set()
    rows = np.concatenate([random.permutation(np.flatnonzero(columns[2] == count))[:20]
                           for count in range(3, 8)])
    for matrix, ops, count, wanted in zip(*(column[rows] for column in columns)):
        spec = matrix[:count, :count], [NUMBERS[number] for number in ops[:count].tolist()]
        with torch.device('meta'):
            assert parameters(trial_network(decode_nasbench101(spec))) == wanted
        seen.add(int(wanted))
    assert len(seen) > 50


def test_nni_still_has_no_one_shot_form():
    """Guard: when this fails, NNI's own class may do."""
    with pytest.raises(TypeError, match='dangling mutables'):
        RandomOneShot().mutate_model(NniNasBench101(4, 1, 1))


def test_raw_space_is_no_supernet():
    space = NasBench101(4, 1, 1)
    assert isinstance(space, ModelSpace) and not is_supernet(space)
    assert is_supernet(RandomOneShot().mutate_model(space))


def reference(cell, x):
    """Compute a cell as the benchmark's code does: truncate, project, add, concatenate."""
    matrix, ops = cell.spec
    last, tensors, merged = len(matrix) - 1, [x], []
    for vertex in range(1, last):
        width = cell.channels[vertex]
        total = sum(tensors[source][:, :width] for source in range(1, vertex)
                    if matrix[source][vertex])
        if matrix[0][vertex]:
            total = total + cell.projections[str(vertex)](x)
        tensors.append(cell.operations[str(vertex)][ops[vertex]](total))
        assert tensors[-1].size(1) == width
        if matrix[vertex][last]:
            merged.append(tensors[-1])
    if not merged:
        return cell.projections['output'](x)
    output = torch.cat(merged, 1)
    return output + cell.projections['output'](x) if matrix[0][last] else output


@pytest.mark.parametrize('training', [True, False])
def test_cell_is_computed_as_in_the_benchmark(training):
    sampler = UniformSampler(NasBench101(4, 1, 1), seed=5)
    for sample in [BEST, *sampler.distinct(10)]:
        cell = FixedCell(encode_nasbench101(sample), 6, 17).train(training)
        x = torch.randn(2, 6, 5, 5)
        output = cell(x)
        assert output.shape == (2, 17, 5, 5)
        torch.testing.assert_close(output, reference(cell, x))


def test_supernet_uses_the_first_channels(make_supernet):
    """Only what an architecture uses has a gradient."""
    supernet = make_supernet('NasBench101')
    Activator(supernet)(BEST)
    supernet(torch.randn(2, 3, 8, 8)).sum().backward()
    cell = supernet.layers[0]
    channels = vertex_channels(cell.spec.matrix, 8, 8)
    weight = cell.operations['2']['conv3x3-bn-relu'][0].weight
    assert channels[2] == 4 and weight.shape[:2] == (8, 8)
    assert (weight.grad[:4, :4].abs().sum((2, 3)) > 0).all()
    assert not weight.grad[4:].any() and not weight.grad[:, 4:].any()
    assert cell.operations['2']['conv1x1-bn-relu'][0].weight.grad is None
    assert cell.projections['3'][0].weight.grad is None


def test_running_statistics_are_those_of_the_used_channels(make_supernet):
    supernet = make_supernet('NasBench101').train()
    Activator(supernet)(BEST)
    supernet(torch.randn(4, 3, 8, 8))
    norm = supernet.layers[0].operations['2']['conv3x3-bn-relu'][1]
    assert norm.running_mean[:4].all() and not norm.running_mean[4:].any()


def test_vertices_on_no_path_change_nothing(make_supernet):
    supernet = make_supernet('NasBench101').eval()
    activate, x = Activator(supernet), torch.randn(2, 3, 8, 8)
    chain = decode_nasbench101(([[0, 1, 0], [0, 0, 1], [0] * 3],
                                ['input', 'conv3x3-bn-relu', 'output']))
    # The same cell through vertex 4; vertex 2 leads nowhere.
    other = {**{label: 0 if 'edge' in label else 'maxpool3x3' for label in chain},
             'cell/edge_0_4': 1, 'cell/edge_4_6': 1, 'cell/edge_0_2': 1,
             'cell/op_4': 'conv3x3-bn-relu'}
    activate(chain)
    first = supernet(x)
    activate(other)
    assert torch.equal(first, supernet(x))
    activate(BEST)
    assert not torch.equal(first, supernet(x))


def test_nni_can_train_it(make_supernet):
    """NNI's own resampling switches all cells to one valid architecture."""
    supernet = make_supernet('NasBench101')
    cells = [module for module in supernet.layers if hasattr(module, 'resample')]
    seen = set()
    for _ in range(20):
        memo = {}
        for cell in cells:
            memo.update(cell.resample(memo=memo))
        assert len({cell.spec for cell in cells}) == 1
        seen.add(cells[0].spec)
        assert cells[0].export(memo) == memo
    assert len(seen) > 10
    assert encode_nasbench101(cells[0].export({}))


def test_freeze_keeps_the_weights():
    space = NasBench101(8, 2, 1)
    network = space.freeze(BEST)
    fixed, searched = network.layers[0], space.layers[0]
    assert isinstance(fixed, FixedCell)
    name = 'conv3x3-bn-relu'
    assert torch.equal(fixed.operations['5'][name][0].weight,
                       searched.operations['5'][name][0].weight[:4, :4])
    assert type(fixed.operations['5'][name][0]) is nn.Conv2d


def test_arguments():
    network = trial_network(BEST, 8, 2, 1, 7, 1e-3, 0.25)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-3, 0.25)}
    assert network(torch.randn(2, 3, 8, 8)).shape == (2, 7)


def test_weights_are_drawn_as_in_the_benchmark():
    weight = NasBench101(64, 1, 1).layers[0].operations['1']['conv3x3-bn-relu'][0].weight
    deviation = (9 * 64) ** -.5
    assert abs(weight.std().item() / deviation - 1) < .02
    assert weight.abs().max() <= 2.28 * deviation
