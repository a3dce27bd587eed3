"""Functional twins of any space: which choices count, and which results are known."""

from __future__ import annotations

import pickle
import runpy

import nni
import numpy as np
import pytest
import torch
from helpers.places import EXAMPLES
from nni.nas.hub.pytorch import MobileNetV3Space
from nni.nas.nn.pytorch import LayerChoice, ModelSpace, MutableLinear, Repeat
from nni.nas.space import model_context
from torch import nn

from nni_rankreg.sampler import UniformSampler
from nni_rankreg.space import (
    DepthDecoder,
    NasBench201,
    ProxylessNAS,
    ResNet48,
    canonical_form,
    results_by_form,
)
from nni_rankreg.space.depth.code import BLOCKS
from nni_rankreg.space.depth.network import EDGES
from nni_rankreg.typing import Results, sample_key

ConvNet = runpy.run_path(str(EXAMPLES / 'own_space.py'))['ConvNet']


class Nested(ModelSpace):
    """A choice with choices inside, and a number of blocks that is computed from a choice."""

    def __init__(self):
        super().__init__()
        inside = nn.Sequential(LayerChoice([nn.ReLU(), nn.Tanh()], label='inside'))
        self.layer = LayerChoice({'with': inside, 'without': nn.Identity()}, label='layer')
        twice = 2 * nni.choice('half', [0, 1, 2])
        self.blocks = Repeat(lambda index: MutableLinear(
            4, 4, bias=nni.choice(f'bias{index}', [True, False])), twice)
        self.shared = LayerChoice([nn.ReLU(), nn.Tanh()], label='bias_or_not')

    def forward(self, x):
        return self.shared(self.blocks(self.layer(x)))


class FreezesItself(ModelSpace):
    """A space that may read any label when it is frozen."""

    def __init__(self):
        super().__init__()
        self.blocks = Repeat(lambda index: LayerChoice([nn.ReLU(), nn.Tanh()], label=f'x{index}'),
                             (1, 2), label='depth')

    def freeze(self, sample):
        with model_context(sample):
            return type(self)()


def test_unused_fourth_layer_of_the_example():
    form, sampler = canonical_form(ConvNet()), UniformSampler(ConvNet(), seed=0)
    for _ in range(50):
        sample = sampler.sample()
        for layer in range(4):
            others = {form({**sample, f'layer{layer}': name}) for name in ('conv', 'skip', 'pool')}
            assert len(others) == (3 if layer < sample['depth'] else 1)


def test_choices_inside_of_what_is_not_chosen():
    form = canonical_form(Nested())
    sample = {'layer': 'with', 'inside': 0, 'half': 1, 'bias_or_not': 1,
              **{f'bias{index}': True for index in range(4)}}
    assert form({**sample, 'inside': 1}) != form(sample)
    without = {**sample, 'layer': 'without'}
    assert form({**without, 'inside': 1}) == form(without) != form(sample)
    assert form({**sample, 'bias1': False}) != form(sample) == form({**sample, 'bias2': False})
    with pytest.raises(ValueError, match='Expected an architecture of the space, got .*half'):
        form({'layer': 'without'})


def test_spaces_that_freeze_themselves_use_all_labels():
    form = canonical_form(FreezesItself())
    assert form({'depth': 1, 'x0': 0, 'x1': 0}) != form({'depth': 1, 'x0': 0, 'x1': 1})


@pytest.mark.parametrize('make', [lambda: ResNet48(10, (8,) * 4), ConvNet, lambda: MobileNetV3Space(
    10, (8,) * 9, depth_range=(1, 3))], ids=['ResNet48', 'own', 'MobileNetV3'])
def test_used_choices_are_those_that_freezing_reads(make):
    space = make()
    form, sampler = canonical_form(space), UniformSampler(space, seed=0)
    for _ in range(3):
        read = Recording(sampler.sample())
        space.freeze(read)
        assert form(read) == sample_key({label: read[label] for label in read.labels})


class Recording(dict):
    """An architecture that knows which labels have been read."""

    def __init__(self, sample):
        super().__init__(sample)
        self.labels = set()

    def __getitem__(self, label):
        self.labels.add(label)
        return super().__getitem__(label)


def test_simplified_space_has_no_twins():
    space = NasBench201(4, 1)
    cell = dict.fromkeys(space.simplify(), 'none')
    other = {**cell, 'cell/0_1': 'conv_1x1'}
    assert canonical_form(space)(cell) == canonical_form(space)(other)
    assert canonical_form(space.simplify()) is sample_key


def test_left_out_blocks_of_a_stage_stand_anywhere():
    space = ProxylessNAS(10, (8,) * 9, (3, 1, 2, 1, 1, 1))
    form = canonical_form(space)
    sample = {**dict.fromkeys(space.simplify(), 'k3e3'), 's2_i1': 'skip', 's2_i2': 'k5e6'}
    moved = {**sample, 's2_i1': 'k5e6', 's2_i2': 'skip'}
    assert form(sample) == form(moved) != form({**sample, 's4_i1': 'skip'})
    assert form({**sample, 's4_i1': 'skip'}) != form({**moved, 's2_i1': 'skip'})
    networks = [space.freeze(one).eval() for one in (sample, moved)]
    networks[1].load_state_dict(dict(zip(networks[1].state_dict(),
                                         networks[0].state_dict().values())))
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(*(network(images) for network in networks))
    with pytest.raises(ValueError, match='Expected'):
        form({'s2_i0': 'k3e3'})


@pytest.mark.slow
@pytest.mark.parametrize('sync', [True, False])
def test_fusion_blocks_of_twins_give_the_same(sync):
    space = DepthDecoder(backbone='shufflenet_v2_x0_5', channels=8, sync=sync)
    form, generator, seen = canonical_form(space), np.random.default_rng(0), {}
    features = [torch.randn(1, 8, 2 ** size, 2 ** size) for size in range(4)]
    names = ['none', 'skip_connect', 'conv_1x1', 'avg_pool_3x3']
    for _ in range(30):
        sample = {f'{block}/{source}_{target}': str(generator.choice(names))
                  for block in (['fusion'] if sync else BLOCKS) for source, target in EDGES}
        if not sync:       # all but the first block see the same thing mostly
            sample = {label: sample[label] if label.startswith('fusion4') else 'none'
                      for label in sample} | {f'{block}/0_3': 'skip_connect'
                                              for block in BLOCKS[1:]}
        value = merged(space, sample, features)
        assert torch.allclose(seen.setdefault(form(sample), value), value, atol=1e-5)
    assert len(seen) < 30


def merged(space, sample, features):
    """Return what the blocks make of features, from coarse to fine, if weights are alike."""
    merged = features[0]
    for searched, feature in zip(space.fusion, features):
        block = searched.freeze(sample).eval()
        for module in block.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, 0., 0.3, torch.Generator().manual_seed(0))
        with torch.no_grad():
            merged = block(merged, feature)
    return merged


def test_blocks_before_one_that_does_not_use_them_are_left_out():
    form = canonical_form(DepthDecoder(backbone='shufflenet_v2_x0_5', channels=8, sync=False))
    sample = {f'{block}/{source}_{target}': 'none' for block in BLOCKS for source, target in EDGES}
    sample['fusion2/1_3'] = sample['fusion1/0_3'] = 'skip_connect'
    assert form({**sample, 'fusion3/1_3': 'conv_1x1'}) == form(sample)
    assert form({**sample, 'fusion2/0_3': 'conv_1x1'}) != form(sample)


def test_forms_travel():
    for space in (NasBench201(4, 1), ConvNet(), ProxylessNAS(10, (8,) * 9, (2, 1, 1, 1, 1, 1))):
        sample = UniformSampler(space, seed=0).sample()
        form = canonical_form(space)
        assert pickle.loads(pickle.dumps(form))(sample) == form(sample)


def test_results_serve_twins():
    form = canonical_form(NasBench201(4, 1))
    cell = dict.fromkeys(NasBench201(4, 1).simplify(), 'none') | {'cell/0_3': 'conv_3x3'}
    twin, other = {**cell, 'cell/0_1': 'conv_1x1'}, {**cell, 'cell/0_3': 'conv_1x1'}
    known = results_by_form(Results([cell, twin], [0.9, 0.8]), form)
    assert known.get(form(twin)) == 0.9 and known.get(form(other)) is None
