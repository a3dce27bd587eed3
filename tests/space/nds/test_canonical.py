"""Twins of the NDS spaces: cells in other orders, numbers of small cells, networks."""

from __future__ import annotations

import random
import zlib

import pytest
import torch
from helpers.cell_function import cell_function
from nni.nas.hub.pytorch import ENAS as NniENAS
from torch import nn

from nni_rankreg.sampler import UniformSampler
from nni_rankreg.space import ENAS, AmoebaNet, DARTSSpace, canonical_form
from nni_rankreg.space.nds import canonical_nds

FAMILIES = [DARTSSpace, ENAS, AmoebaNet]
NAMES = ('none', 'skip_connect', 'max_pool_3x3', 'sep_conv_3x3')


def cell_of(sample, cell, nodes):
    return [[(sample[f'{cell}/op_{node}_{slot}'], sample[f'{cell}/input_{node}_{slot}'][0])
             for slot in range(2)] for node in range(2, 2 + nodes)]


def sample_of(cells):
    return {label: choice for cell, nodes in cells.items()
            for node, pairs in enumerate(nodes, 2) for slot, (name, source) in enumerate(pairs)
            for label, choice in ((f'{cell}/op_{node}_{slot}', name),
                                  (f'{cell}/input_{node}_{slot}', [source]))}


def scrambled(nodes, generator):
    """Return the nodes of a cell in another possible order, each with its pairs in any."""
    order, left = [], list(range(2, 2 + len(nodes)))
    while left:
        ready = [node for node in left
                 if all(source < 2 or source in order for _, source in nodes[node - 2])]
        order.append(generator.choice(ready))
        left.remove(order[-1])
    place = {0: 0, 1: 1, **{node: index for index, node in enumerate(order, 2)}}
    return [generator.sample([(name, place[source]) for name, source in nodes[node - 2]], 2)
            for node in order]


def numbers(nodes, merge, reduction):
    """Return the numbers of a cell."""
    def kind(name, source):
        if name == 'none':
            return 'zero'
        if name == 'skip_connect':
            return 'own' if reduction and source < 2 else 'same'
        return 'fixed' if 'pool' in name else 'own'
    used = {source for pairs in nodes for _, source in pairs} if merge == 'loose_end' else ()
    merged = [node for node in range(2, 2 + len(nodes)) if node not in used]
    return cell_function(2, nodes, merged, kind), len(merged)


@pytest.mark.parametrize('merge', ['all', 'loose_end'])
@pytest.mark.parametrize('cell', ['normal', 'reduce'])
def test_twins_are_those_that_compute_the_same(cell, merge):
    """Cells of two nodes, drawn from all 9,216."""
    generator = random.Random(0)
    functions, forms = {}, {}
    for _ in range(700):
        nodes = [[(generator.choice(NAMES), generator.randrange(node)) for _ in range(2)]
                 for node in (2, 3)]
        form = canonical_nds(sample_of({'normal': nodes, 'reduce': nodes}), 2, merge)
        form = form.split('; ')[cell == 'reduce']
        found = numbers(nodes, merge, cell == 'reduce')
        assert functions.setdefault(form, found) == found
        assert forms.setdefault(found, form) == form
    assert 200 < len(forms) < 650


@pytest.mark.slow
@pytest.mark.parametrize('family', FAMILIES)
def test_cells_in_another_order_are_twins(family):
    generator, space = random.Random(1), family(4, 3)
    form, sampler = canonical_form(space), UniformSampler(space, seed=0)
    for _ in range(60):
        cells = {cell: cell_of(sampler.sample(), cell, family.nodes)
                 for cell in ('normal', 'reduce')}
        twin = sample_of({cell: scrambled(nodes, generator) for cell, nodes in cells.items()})
        assert form(twin) == form(sample_of(cells))


@pytest.mark.parametrize('family', FAMILIES)
def test_networks_of_twins_give_the_same(family):
    generator, space = random.Random(2), family(4, 3)
    sampler, images = UniformSampler(space, seed=0), torch.randn(2, 3, 8, 8, dtype=torch.float64)
    for _ in range(2):
        sample = sampler.sample()
        twin = sample_of({cell: scrambled(cell_of(sample, cell, family.nodes), generator)
                          for cell in ('normal', 'reduce')})
        first, second = (output(space.freeze(one), images) for one in (sample, twin))
        torch.testing.assert_close(first, second)


def output(network, images):
    """Return what a network gives whose weights depend on shapes, alike for all merged nodes."""
    for parameter in network.double().eval().parameters():
        shape = [min(size, 4) if axis == 1 else size for axis, size in enumerate(parameter.shape)]
        weights = torch.randn(shape, generator=torch.Generator().manual_seed(
            zlib.crc32(str(shape).encode())), dtype=torch.float64)
        if parameter.ndim > 1 and parameter.size(1) > 4:
            weights = weights.repeat(1, parameter.size(1) // 4, *[1] * (parameter.ndim - 2))
        nn.init.zeros_(parameter).data += 0.5 * weights
    with torch.no_grad():
        return network(images)


def test_node_that_only_none_uses_is_left_out():
    def form(first, merge):
        nodes = [first, [('none', 2), ('sep_conv_3x3', 0)]]
        return canonical_nds(sample_of({'normal': nodes, 'reduce': nodes}), 2, merge)
    some, others = [('sep_conv_3x3', 0), ('none', 1)], [('max_pool_3x3', 1), ('max_pool_3x3', 1)]
    assert form(some, 'loose_end') == form(others, 'loose_end')
    assert form(some, 'all') != form(others, 'all')


def test_dropped_paths_make_poolings_different():
    pooled = [('max_pool_3x3', 0), ('none', 0)]
    once = [pooled, [('max_pool_3x3', 0), ('sep_conv_3x3', 1)]]
    again = [pooled, [('skip_connect', 2), ('sep_conv_3x3', 1)]]

    def forms(drop_path):
        return [canonical_nds(sample_of({'normal': cell, 'reduce': cell}), 2, 'all', drop_path
                              ).split('; ')[0] for cell in (once, again)]
    assert len(set(forms(drop_path=False))) == 1 and len(set(forms(drop_path=True))) == 2


def test_size_belongs_to_the_text_and_json_gives_the_same():
    space = NniENAS((4, 8), (3, 6), 'cifar')
    form, sample = canonical_form(space), UniformSampler(space, seed=0).sample()
    as_tuples = {label: tuple(choice) if isinstance(choice, list) else choice
                 for label, choice in sample.items()}
    assert form(sample) == form(as_tuples)
    assert form({**sample, 'width': 4}) != form({**sample, 'width': 8})
    assert form({**sample, 'depth': 3}) != form({**sample, 'depth': 6})


def test_labels_must_be_complete():
    with pytest.raises(ValueError, match='Expected what canonical_nds takes, got'):
        canonical_nds({'normal/op_2_0': 'none'}, 2, 'all')
