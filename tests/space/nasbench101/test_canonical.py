"""Twins of NAS-Bench-101: isomorphic cells in both forms of labels, numbers, the real table."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from helpers.cell_function import cell_function
from nni.nas.hub.pytorch import NasBench101 as NniNasBench101

from nni_rankreg.sampler import UniformSampler
from nni_rankreg.space import NasBench101, canonical_form, decode_nasbench101, encode_nasbench101
from nni_rankreg.space.nasbench101 import by_edges, canonical_nasbench101
from nni_rankreg.space.nasbench101.code import LABELS, OPERATIONS, ModelSpec
from nni_rankreg.space.nasbench101.graph import VERTICES, unpack, valid_matrices


@pytest.fixture(scope='module')
def samples():
    sampler = UniformSampler(NasBench101(4, 1, 1), seed=0)
    return [sampler.sample() for _ in range(200)]


def shuffled(sample, generator):
    """Return another architecture of the cell: other places, and edges from unused vertices."""
    matrix, ops = encode_nasbench101(sample)
    matrix, count = np.array(matrix), len(ops)
    order = list(range(count))
    for _ in range(30):            # swap neighbours without an edge between them
        place = generator.randrange(1, max(2, count - 2))
        if place + 1 < count - 1 and not matrix[order[place], order[place + 1]]:
            order[place:place + 2] = order[place + 1], order[place]
    spec = matrix[np.ix_(order, order)].tolist(), [ops[vertex] for vertex in order]
    other = decode_nasbench101(spec)
    for vertex in range(count - 1, VERTICES - 1):
        other[f'cell/op_{vertex}'] = generator.choice(OPERATIONS)
        other[f'cell/edge_{vertex}_6'] = generator.randrange(2)
    return other


def test_isomorphic_cells_are_twins(samples):
    generator = random.Random(0)
    others = [shuffled(sample, generator) for sample in samples]
    assert sum(one != other for one, other in zip(samples, others)) > 150
    assert list(map(canonical_nasbench101, samples)) == list(map(canonical_nasbench101, others))


@pytest.mark.parametrize('vertices', [4, 5])
def test_no_other_cells_are(vertices):
    """Against the least of all orders of the inner vertices."""
    forms = {}
    for mask in valid_matrices(vertices).tolist():
        for names in itertools.product(OPERATIONS, repeat=vertices - 2):
            spec = ModelSpec(unpack(mask, vertices), ('input', *names, 'output'))
            form = canonical_nasbench101(decode_nasbench101(spec))
            assert forms.setdefault(form, least_order(spec)) == least_order(spec)
    assert len(set(forms.values())) == len(forms) == {4: 84, 5: 2_441}[vertices]


def least_order(spec):
    matrix, last = np.array(spec.matrix), len(spec.ops) - 1
    orders = ([0, *inner, last] for inner in itertools.permutations(range(1, last)))
    return min((tuple(spec.ops[vertex] for vertex in order),
                matrix[np.ix_(order, order)].tobytes()) for order in orders)


def numbers(sample):
    """Return the numbers of a cell: a vertex is what comes in, and an operation on that."""
    matrix, ops = encode_nasbench101(sample)
    sums = [0]
    nodes = []
    for vertex in range(1, len(ops)):
        nodes.append([('from input' if source == 0 else 'same', sums[source])
                      for source in range(vertex) if matrix[source][vertex]
                      if vertex < len(ops) - 1 or source == 0])
        nodes.append([(ops[vertex] if vertex < len(ops) - 1 else 'same', len(nodes))])
        sums.append(len(nodes))
    last = [sums[source] for source in range(1, len(ops) - 1) if matrix[source][-1]]
    kinds = {'same': 'same', 'maxpool3x3': 'fixed'}
    return cell_function(1, nodes, [sums[-1], *last], lambda name, _: kinds.get(name, 'own'))


def test_twins_compute_the_same_and_others_do_not(samples):
    generator = random.Random(1)
    few = [one for one in samples if sum(map(sum, encode_nasbench101(one).matrix)) < 9][:60]
    assert [numbers(shuffled(one, generator)) for one in few] == list(map(numbers, few))
    forms = list(map(canonical_nasbench101, few))
    assert len(set(map(numbers, few))) == len(set(forms)) > 40


def test_labels_of_nni_give_the_same():
    space = NniNasBench101(4, 1, 1)
    form, sampler = canonical_form(space), UniformSampler(space, seed=0)
    assert form is canonical_form(NasBench101(4, 1, 1)) is canonical_nasbench101
    for _ in range(30):
        sample = sampler.sample()
        ours = by_edges(sample)
        assert list(ours) == LABELS and by_edges(ours) is ours
        unused = {label: choice for label, choice in sample.items()
                  if label == 'cell/num_nodes' or int(label[-1]) < sample['cell/num_nodes']}
        assert form(sample) == form(ours) == form(unused)


def test_rows_of_the_table_are_different(shared_data):
    with np.load(shared_data / 'nb101_weightsharing.npz', allow_pickle=False) as file:
        table = {name: file[name] for name in ('hash', 'adj', 'ops', 'n_vertices')}
    names = {-1: 'input', -2: 'output', **dict(enumerate(OPERATIONS))}
    for row in np.random.default_rng(0).choice(len(table['hash']), 300, replace=False):
        count = table['n_vertices'][row]
        sample = decode_nasbench101((table['adj'][row, :count, :count].tolist(),
                                     [names[op] for op in table['ops'][row, :count].tolist()]))
        assert canonical_nasbench101(sample) == table['hash'][row].decode()
    assert len(set(table['hash'].tolist())) == len(table['hash'])
