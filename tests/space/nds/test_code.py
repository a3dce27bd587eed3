"""Genotypes of the NDS spaces, over random architectures and against published ones."""

from __future__ import annotations

import numpy as np
import pytest
from nni.nas.hub.pytorch import DARTS as NniDARTS

from nni_rankreg.sampler import UniformSampler
from nni_rankreg.space import (
    ENAS,
    PNAS,
    AmoebaNet,
    DARTSSpace,
    Genotype,
    NASNet,
    decode_nds,
    encode_nds,
)

FAMILIES = [DARTSSpace, ENAS, PNAS, AmoebaNet, NASNet]
# Figures 4 and 5 of the DARTS paper's second-order cells.
DARTS_V2 = Genotype(
    (('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1),
     ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)),
    (2, 3, 4, 5),
    (('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1),
     ('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)),
    (2, 3, 4, 5))


@pytest.mark.slow
@pytest.mark.parametrize('size', [(4, 3), ((4, 8), (3, 4, 20))], ids=['fixed', 'any size'])
@pytest.mark.parametrize('family', FAMILIES)
def test_random_architectures_and_back(family, size, leaves_of):
    sampler = UniformSampler(leaves_of(family, *size), seed=1)
    genotypes = set()
    for _ in range(300):
        sample = sampler.sample()
        genotype = encode_nds(sample, family)
        assert decode_nds(genotype, family) == sample
        assert (genotype.width, genotype.depth) == (sample.get('width'), sample.get('depth'))
        genotypes.add(genotype)
    assert len(genotypes) == 300


@pytest.fixture(scope='module')
def leaves_of():
    """Return a function: family and size -> labels with their choices; one space of each."""
    cache = {}

    def leaves(family, *size):
        if (family, size) not in cache:
            cache[family, size] = family(*size).simplify()
        return cache[family, size]
    return leaves


@pytest.mark.parametrize('family', FAMILIES)
def test_merged_nodes(family, leaves_of):
    """Loose ends are nodes that no pair of the same cell names."""
    sampler = UniformSampler(leaves_of(family, 4, 3), seed=2)
    shorter = 0
    for _ in range(100):
        genotype = encode_nds(sampler.sample(), family)
        for pairs, merged in (genotype[:2], genotype[2:4]):
            loose = {*range(2, 2 + family.nodes)} - {source for _, source in pairs}
            assert set(merged) == ({*range(2, 2 + family.nodes)} if family.merge == 'all'
                                   else loose)
            assert list(merged) == sorted(merged) and merged[-1] == 1 + family.nodes
            shorter += len(merged) < family.nodes
    assert bool(shorter) == (family in (ENAS, AmoebaNet, NASNet))


def test_published_cells_of_darts(leaves_of):
    sample = decode_nds(DARTS_V2, DARTSSpace)
    assert encode_nds(sample, DARTSSpace) == DARTS_V2
    assert sample['reduce/op_3_0'] == 'skip_connect' and sample['reduce/input_3_0'] == [2]
    assert all(leaf.contains(sample) for leaf in leaves_of(DARTSSpace, 4, 3).values())
    assert sample.keys() == NniDARTS(4, 3, 'cifar').simplify().keys()


def test_trained_cells_of_darts(shared_data):
    with np.load(shared_data / 'darts_swap1000.npz') as table:
        names = [name.decode() for name in table['ops'].tolist()]
        assert set(names) == set(DARTSSpace.operations)
        for normal, reduce in zip(table['normal'].tolist(), table['reduce'].tolist()):
            cells = [tuple((names[name], source) for name, source in cell)
                     for cell in (normal, reduce)]
            genotype = Genotype(cells[0], (2, 3, 4, 5), cells[1], (2, 3, 4, 5))
            assert encode_nds(decode_nds(genotype, DARTSSpace), DARTSSpace) == genotype


def test_size_is_part_of_the_code():
    sample = decode_nds(DARTS_V2._replace(width=36, depth=20), DARTSSpace)
    assert (sample['width'], sample['depth']) == (36, 20)
    assert encode_nds(sample, DARTSSpace) == DARTS_V2._replace(width=36, depth=20)


SAMPLE = decode_nds(DARTS_V2, DARTSSpace)


@pytest.mark.parametrize('sample, message', [
    ({}, 'Expected the labels'),
    ({**SAMPLE, 'extra': 1}, 'Expected the labels'),
    ({**SAMPLE, 'normal/op_2_0': 'conv_3x3'}, 'Expected 8 pairs of an operation among'),
    ({**SAMPLE, 'normal/input_2_0': [2]}, 'and an earlier node'),
    ({**SAMPLE, 'normal/input_2_0': [0, 1]}, 'Expected one input of each operation'),
])
def test_encode_refuses_other_samples(sample, message):
    with pytest.raises(ValueError, match=message):
        encode_nds(sample, DARTSSpace)


@pytest.mark.parametrize('change, message', [
    ({'normal': DARTS_V2.normal[:-1]}, 'Expected 8 pairs'),
    ({'normal': (('conv_3x3', 0), *DARTS_V2.normal[1:])}, 'Expected 8 pairs'),
    ({'reduce': (('max_pool_3x3', -1), *DARTS_V2.reduce[1:])}, 'and an earlier node'),
    ({'reduce_concat': (2, 3, 4)}, r'Expected the nodes \[2, 3, 4, 5\] to be merged in the red'),
])
def test_decode_refuses_other_genotypes(change, message):
    with pytest.raises(ValueError, match=message):
        decode_nds(DARTS_V2._replace(**change), DARTSSpace)
