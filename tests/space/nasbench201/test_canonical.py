"""Twins of NAS-Bench-201: all cells, against the benchmark's column, numbers and networks."""

from __future__ import annotations

import itertools
import random
from collections import defaultdict

import numpy as np
import pytest
import torch
from helpers.cell_function import cell_function
from torch import nn

from nni_rankreg.space import NasBench201, canonical_form, decode_nasbench201
from nni_rankreg.space.nasbench201 import CHOICES, EDGES, canonical_nasbench201

CELLS = [{f'cell/{source}_{target}': name for (source, target), name in zip(EDGES, names)}
         for names in itertools.product(CHOICES, repeat=6)]
KINDS = {'none': 'zero', 'skip_connect': 'same', 'avg_pool_3x3': 'fixed'}


@pytest.fixture(scope='module')
def forms():
    return list(map(canonical_nasbench201, CELLS))


def numbers(cell, convolution, bias):
    """Return the numbers of a cell whose convolutions are of a kind."""
    nodes = [[(cell[f'cell/{source}_{target}'], source) for source, target in EDGES
              if target == node] for node in (1, 2, 3)]
    return cell_function(1, nodes, [3], lambda name, _: KINDS.get(name, convolution), bias)


def test_benchmark_counts_6466(forms):
    assert len(CELLS) == 15_625 and len(set(forms)) == 6_466


def test_texts_are_those_of_the_benchmark(shared_data):
    table = np.load(shared_data / 'nb201.npz', allow_pickle=False)
    for arch, text in zip(table['arch'].tolist(), table['canonical'].tolist()):
        assert canonical_nasbench201(decode_nasbench201(arch.decode())) == text.decode()


def test_twins_compute_the_same_with_weights_by_operation(forms):
    by_form = defaultdict(set)
    for form, cell in zip(forms, CELLS):
        by_form[form].add(numbers(cell, 'shared', bias=False))
    assert all(len(functions) == 1 for functions in by_form.values())


@pytest.mark.slow
@pytest.mark.parametrize('bias, functions, coarse', [(False, 5_260, 430), (True, 5_875, 523)])
def test_functions_of_convolutions_with_weights_of_their_own(forms, bias, functions, coarse):
    """The numbers that the docstring states."""
    found = [numbers(cell, 'own', bias) for cell in CELLS]
    by_form = defaultdict(set)
    for form, one in zip(forms, found):
        by_form[form].add(one)
    assert len(set(found)) == functions
    assert sum(len(several) > 1 for several in by_form.values()) == coarse


@pytest.mark.slow
def test_cells_of_twins_give_the_same(forms):
    generator, cell = random.Random(0), NasBench201(4, 1).cells[0].double()
    by_form = defaultdict(list)
    for form, choices in zip(forms, CELLS):
        by_form[form].append(choices)
    images = torch.randn(2, 4, 8, 8, dtype=torch.float64)
    for twins in generator.sample([cells for cells in by_form.values() if len(cells) > 1], 25):
        first, second = (output(cell.freeze(one), images) for one in generator.sample(twins, 2))
        torch.testing.assert_close(first, second)


def output(cell, images):
    """Return what a cell gives whose convolutions have weights by their kernel, and no bias."""
    for module in cell.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, 0., 0.3,
                            torch.Generator().manual_seed(module.weight.numel()))
    with torch.no_grad():
        return cell.eval()(images)


def test_labels_must_be_those_of_the_space():
    form = canonical_form(NasBench201(4, 1, none=False))
    assert form is canonical_nasbench201
    with pytest.raises(ValueError, match='Expected the labels'):
        form({'cell/0_1': 'none'})
