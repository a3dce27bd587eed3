"""The code of NAS-Bench-101 cells, against a count of all cells and the benchmark's own table."""

from __future__ import annotations

import csv
import itertools
from collections import Counter

import numpy as np
import pytest

from nni_rankreg.sampler import UniformSampler
from nni_rankreg.space import (
    ModelSpec,
    NasBench101,
    decode_nasbench101,
    encode_nasbench101,
    hash_nasbench101,
)
from nni_rankreg.space.nasbench101.code import LABELS, OPERATIONS
from nni_rankreg.space.nasbench101.constraint import CellConstraint
from nni_rankreg.space.nasbench101.graph import edges, unpack, valid_matrices, vertex_channels

CELLS = {2: 1, 3: 6, 4: 84, 5: 2_441, 6: 62_010, 7: 359_082}  # different ones, by vertices


@pytest.fixture(scope='module')
def space():
    return NasBench101(4, 1, 1)


def every_spec(vertices):
    for mask in valid_matrices(vertices).tolist():
        for names in itertools.product(OPERATIONS, repeat=vertices - 2):
            yield ModelSpec(unpack(mask, vertices), ('input', *names, 'output'))


def random_sample(random):
    """Return any 21 edges and 5 operations, which may describe no cell."""
    return {label: random.randint(2) if 'edge' in label else OPERATIONS[random.randint(3)]
            for label in LABELS}


def is_valid(matrix):
    """Return whether all vertices lie on paths, by powers of the matrix, and edges are few."""
    powers = sum(np.linalg.matrix_power(matrix, n) for n in range(len(matrix)))
    return powers[0].all() and powers[:, -1].all() and matrix.sum() <= 9


@pytest.mark.parametrize('vertices', [2, 3, 4, 5])
def test_valid_matrices_are_all_there_are(vertices):
    upper = [[edge in chosen for edge in edges(vertices)]
             for count in range(len(edges(vertices)) + 1)
             for chosen in map(set, itertools.combinations(edges(vertices), count))]
    matrices = np.zeros((len(upper), vertices, vertices), int)
    matrices[:, [s for s, _ in edges(vertices)], [t for _, t in edges(vertices)]] = upper
    wanted = {tuple(map(tuple, matrix)) for matrix in matrices.tolist() if
              is_valid(np.array(matrix))}
    assert {unpack(mask, vertices) for mask in valid_matrices(vertices).tolist()} == wanted


@pytest.mark.parametrize('vertices', CELLS)
def test_number_of_different_cells(vertices):
    """Count classes of isomorphic cells: Burnside's lemma on one matrix of each class."""
    masks = valid_matrices(vertices)
    codes = np.full((2, len(masks)), -1)
    symmetries = np.zeros((len(masks), vertices), int)  # by number of cycles
    bits = [(masks >> index & 1, edge) for index, edge in enumerate(edges(vertices))]
    for inner in itertools.permutations(range(1, vertices - 1)):
        places = (0, *inner, vertices - 1)
        code = sum(bit << places[s] * vertices + places[t] for bit, (s, t) in bits)
        if codes[0, 0] < 0:
            codes[:] = code
        codes[1] = np.minimum(codes[1], code)
        symmetries[code == codes[0], cycles(inner)] += 1
    _, representatives = np.unique(codes[1], return_index=True)
    chosen = symmetries[representatives]
    colourings = chosen @ 3 ** np.arange(vertices)
    assert (colourings % chosen.sum(1) == 0).all()
    assert (colourings // chosen.sum(1)).sum() == CELLS[vertices]


def cycles(permutation):
    """Return the number of cycles of a permutation of 1, 2, ..."""
    left, count = set(permutation), 0
    while left:
        start = element = left.pop()
        count += 1
        while (element := permutation[element - 1]) != start:
            left.discard(element)
    return count


def test_number_of_cells_is_the_published_one():
    assert sum(CELLS.values()) == 423_624


@pytest.mark.parametrize('vertices', [2, 3, 4, 5])
def test_every_small_cell_and_back(vertices):
    specs = list(every_spec(vertices))
    samples = [decode_nasbench101(spec) for spec in specs]
    assert [encode_nasbench101(sample) for sample in samples] == specs
    assert [decode_nasbench101(encode_nasbench101(sample)) for sample in samples] == samples
    assert len({hash_nasbench101(sample) for sample in samples}) == CELLS[vertices]


def test_random_cells_and_back(space):
    sampler = UniformSampler(space, seed=1)
    for _ in range(1_000):
        sample = sampler.sample()
        spec = encode_nasbench101(sample)
        assert decode_nasbench101(spec) == sample
        assert is_valid(np.array(spec.matrix))


def test_any_edges_and_operations():
    """A sample describes a cell if pruning leaves a path and at most nine edges."""
    random, constraint, outcomes = np.random.RandomState(2), CellConstraint(), Counter()
    for _ in range(2_000):
        sample = random_sample(random)
        matrix = np.zeros((7, 7), int)
        for source, target in edges(7):
            matrix[source, target] = sample[f'cell/edge_{source}_{target}']
        powers = sum(np.linalg.matrix_power(matrix, n) for n in range(7))
        kept = (powers[0] > 0) & (powers[:, -1] > 0)
        pruned = matrix[kept][:, kept]
        valid = bool(powers[0, -1]) and pruned.sum() <= 9
        outcomes[valid] += 1
        assert constraint.contains(sample) == valid
        if valid:
            spec = encode_nasbench101(sample)
            assert (np.array(spec.matrix) == pruned).all()
            assert encode_nasbench101(decode_nasbench101(spec)) == spec
            names = ['input', *(sample[f'cell/op_{v}'] for v in range(1, 6)), 'output']
            assert list(spec.ops) == [name for name, keep in zip(names, kept) if keep]
    assert min(outcomes.values()) > 200


def test_known_cell():
    """The best cell of the benchmark."""
    matrix = [[0, 1, 1, 0, 1, 1, 0], [0, 0, 0, 0, 0, 0, 1], [0, 0, 0, 1, 0, 0, 0],
              [0, 0, 0, 0, 1, 0, 0], [0, 0, 0, 0, 0, 1, 0], [0, 0, 0, 0, 0, 0, 1], [0] * 7]
    names = ['input', 'conv1x1-bn-relu', 'conv3x3-bn-relu', 'maxpool3x3', 'conv3x3-bn-relu',
             'conv3x3-bn-relu', 'output']
    sample = decode_nasbench101((np.array(matrix), names))
    assert [sample[f'cell/edge_0_{target}'] for target in range(1, 7)] == [1, 1, 0, 1, 1, 0]
    assert encode_nasbench101(sample) == (tuple(map(tuple, matrix)), tuple(names))


def test_hash_is_the_same_for_other_orders_of_the_vertices_only():
    matrix = [[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0] * 4]
    first, swapped, other = (hash_nasbench101(decode_nasbench101((matrix, [
        'input', *names, 'output']))) for names in (
            (OPERATIONS[0], OPERATIONS[1]), (OPERATIONS[1], OPERATIONS[0]),
            (OPERATIONS[0], OPERATIONS[2])))
    assert first == swapped != other


@pytest.mark.parametrize('matrix, channels', [
    ([[0, 1], [0, 0]], (128, 256)),
    ([[0, 1, 1], [0, 0, 1], [0] * 3], (128, 256, 256)),
    # Vertex 1 leads to 2 only; 2, 3 and 4 share 256 = 86 + 85 + 85.
    ([[0, 1, 0, 1, 1, 0], [0, 0, 1, 0, 0, 0], [0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 1],
      [0, 0, 0, 0, 0, 1], [0] * 6], (128, 86, 86, 85, 85, 256)),
])
def test_channels(matrix, channels):
    assert vertex_channels(tuple(map(tuple, matrix)), 128, 256) == channels


def test_hashes_are_those_of_the_benchmark(shared_data):
    with np.load(shared_data / 'nb101_weightsharing.npz') as table:
        rows = np.random.RandomState(0).permutation(len(table['hash']))[:500]
        cells = zip(*(table[name][rows] for name in ('hash', 'adj', 'ops', 'n_vertices')))
    numbers = {-1: 'input', -2: 'output', **dict(enumerate(OPERATIONS))}
    for text, matrix, ops, count in cells:
        spec = matrix[:count, :count], [numbers[number] for number in ops[:count].tolist()]
        assert hash_nasbench101(decode_nasbench101(spec)) == text.decode()


def test_cells_with_vertices_on_no_path_are_found_by_their_hash(shared_data):
    names = ['input', 'output', 'maxpool3x3', 'conv1x1-bn-relu', 'conv3x3-bn-relu']
    with np.load(shared_data / 'nb101_weightsharing.npz') as table:
        known = set(table['hash'].tolist())
    with (shared_data / 'zc_nb101_cifar10.csv').open(newline='') as file:
        cells = [list(map(int, row['arch'].strip('()[]').replace(',', ' ').split()))
                 for row in csv.DictReader(file)]
    samples = [decode_nasbench101((np.reshape(cell[:49], (7, 7)),
                                   [names[number] for number in cell[49:]])) for cell in cells]
    assert sum(hash_nasbench101(sample).encode() in known for sample in samples) == 86


SAMPLE = decode_nasbench101(([[0, 1], [0, 0]], ['input', 'output']))
DENSE = {label: 1 if 'edge' in label else OPERATIONS[0] for label in LABELS}


@pytest.mark.parametrize('sample, message', [
    ({}, r"Expected the labels \['cell/edge_0_1', .*got \[\]"),
    ({**SAMPLE, 'extra': 1}, 'Expected the labels'),
    ({**SAMPLE, 'cell/edge_0_1': 2}, 'Expected 0 or 1 for each edge'),
    ({**SAMPLE, 'cell/edge_0_1': [0]}, 'Expected 0 or 1 for each edge'),
    ({**SAMPLE, 'cell/op_1': 'input'}, r"Expected operations .*\['conv3x3-bn-relu'"),
    ({**SAMPLE, 'cell/edge_0_6': 0}, 'Expected a path from the input to the output'),
    (DENSE, 'Expected at most 9 edges .*, got 21'),
], ids=['empty', 'extra label', 'number', 'list', 'operation', 'no path', 'too many edges'])
def test_encode_refuses_what_is_no_cell(sample, message):
    with pytest.raises(ValueError, match=message):
        encode_nasbench101(sample)
    assert not CellConstraint().contains(sample) or 'extra' in sample


@pytest.mark.parametrize('spec, message', [
    (([[0]], ['input']), 'Expected an upper triangular matrix'),
    (([[0] * 8] * 8, ['input'] * 8), 'with 2 to 7 vertices'),
    (([[0, 1], [1, 0]], ['input', 'output']), 'Expected an upper triangular matrix'),
    (([[0, 2], [0, 0]], ['input', 'output']), 'of 0 and 1'),
    (([[0, 1], [0]], ['input', 'output']), 'Expected an upper triangular matrix'),
    (([[0, 1], [0, 0]], ['input']), 'an operation for each'),
    (([[0, 1], [0, 0]], ['output', 'input']), "Expected operations from 'input' to 'output'"),
    (([[0, 0], [0, 0]], ['input', 'output']), 'Expected a path'),
])
def test_decode_refuses_what_is_no_cell(spec, message):
    with pytest.raises(ValueError, match=message):
        decode_nasbench101(spec)
