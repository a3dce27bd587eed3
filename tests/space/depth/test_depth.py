"""The space of depth networks: its size, its codes, and its networks against plain torch."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F
import torchvision
from nni.nas.nn.pytorch import LayerChoice
from nni.nas.space import model_context
from nni.nas.strategy import RandomOneShot

from nni_rankreg.host.network.activation import Activator
from nni_rankreg.host.network.subnet import extract
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.sampler.choice import ChoiceSpace
from nni_rankreg.space import DepthDecoder, decode_depth, encode_depth
from nni_rankreg.space.depth.network import EDGES, OPERATIONS, UPSAMPLERS, Backbone

FORMS = {'V1 sync': (False, True), 'V1': (False, False), 'V2 sync': (True, True),
         'V2': (True, False)}
SIZES = {'V1 sync': 3_125, 'V1': 95_367_431_640_625, 'V2 sync': 12_500,
         'V2': 24_414_062_500_000_000}
SMALL = dict(backbone='shufflenet_v2_x0_5', channels=8, non_negative=False)


def space(form='V1 sync', **kwargs):
    torch.manual_seed(0)
    return DepthDecoder(*FORMS[form], **{**SMALL, **kwargs})


def samples(form, count=4, seed=0):
    return UniformSampler(space(form), seed).distinct(count)


@pytest.fixture
def images():
    return torch.randn(3, 3, 32, 64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize('form', FORMS)
def test_number_of_architectures_is_that_of_the_paper(form):
    with torch.device('meta'):
        assert ChoiceSpace(space(form)).size == SIZES[form]


@pytest.mark.slow
@pytest.mark.parametrize('form', FORMS)
def test_supernet_path_is_the_network_of_a_trial(form, images):
    """With the weights that the super-net has for it: extracted, frozen, and loaded by name."""
    supernet = RandomOneShot().mutate_model(space(form)).eval()
    activate, outputs = Activator(supernet), []
    for sample in samples(form, 3):
        activate(sample)
        network = extract(supernet, sample)
        with model_context(sample):
            trial = DepthDecoder(*FORMS[form], **SMALL)
        assert not any(isinstance(module, LayerChoice) for module in trial.modules())
        trial.load_state_dict(network.state_dict())
        outputs.append(supernet(images))
        for other in (network, supernet.freeze(sample), trial.eval()):
            torch.testing.assert_close(other(images), outputs[-1], rtol=0, atol=0)
    assert all(output.shape == (3, 32, 64) for output in outputs)
    assert not any(torch.equal(*pair) for pair in itertools.combinations(outputs, 2))


def test_training_reaches_the_active_path_only(images):
    supernet = RandomOneShot().mutate_model(space('V2'))
    sample = {label: leaf.values[-1] for label, leaf in supernet.simplify().items()}
    sample.update({'fusion4/0_2': 'conv_3x3', 'fusion4/up': 'transposed_conv',
                   'fusion4/0_3': 'conv_1x1'})
    Activator(supernet)(sample)
    supernet(images).sum().backward()
    trained = {name for name, weight in supernet.named_parameters() if weight.grad is not None}
    decoder = {name for name in trained if name.startswith('fusion.0')}
    assert {name.split('.')[3] for name in decoder if '.edges.' in name} == {'0_2', '0_3'}
    assert all('conv_3x3' in name for name in decoder if '.0_2.' in name)
    assert 'backbone.stages.0.0.0.weight' in trained


def reference(network, sample, images):
    """Return what the parts of a network compute, put together as Fig. 4 of the paper."""
    def edge(block, name, x):
        layers = network.fusion[block].edges[name]
        kind = sample[f'fusion{4 - block}/{name}']
        if kind == 'none':
            return torch.zeros_like(x)
        if kind == 'skip_connect':
            return x
        if kind == 'avg_pool_3x3':
            return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        _, convolution, norm = layers.op
        x = F.conv2d(x.relu(), convolution.weight, padding=convolution.kernel_size[0] // 2)
        return F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias)

    def up(block, x):
        layer, kind = network.fusion[block].up, sample[f'fusion{4 - block}/up']
        if kind == 'transposed_conv':
            return F.conv_transpose2d(x, layer.weight, layer.bias, stride=2, padding=1)
        if kind == 'pixel_shuffle':
            return F.pixel_shuffle(layer[2](F.conv2d(x.relu(), layer[1].weight)), 2)
        return F.interpolate(x, scale_factor=2, mode=kind, align_corners=False)

    features, merged = network.backbone(images), None
    for block in range(4):
        feature = F.conv2d(features[3 - block], network.reduce[3 - block].weight, padding=1)
        before = feature if merged is None else merged
        second = edge(block, '0_2', before) + edge(block, '1_2', feature)
        third = (edge(block, '0_3', before) + edge(block, '1_3', feature)
                 + edge(block, '2_3', second))
        merged = up(block, third)
    first, _, second, _, last, _ = network.head
    x = F.interpolate(first(merged), scale_factor=2, mode='bilinear')
    return last(second(x).relu()).relu()[:, 0]


@pytest.mark.parametrize('seed', range(4))
def test_forward_against_plain_torch(seed, images):
    sample, = samples('V2', 1, seed)
    network = space('V2', non_negative=True).freeze(sample).eval()
    with torch.no_grad():
        network.head[4].bias += 1  # so that the last ReLU leaves something
        output = network(images)
        torch.testing.assert_close(output, reference(network, sample, images))
    assert output.std() > 0 and output.min() >= 0


def test_upsampling_is_fixed_in_v1():
    layer = space('V1').fusion[0].up
    x = torch.randn(1, 2, 3, 4)
    torch.testing.assert_close(
        layer(x), F.interpolate(x, scale_factor=2, mode='bilinear', align_corners=True))
    assert not any(label.endswith('up') for label in space('V1').simplify())


@pytest.mark.parametrize('name, make', UPSAMPLERS.items())
def test_every_upsampling_doubles_the_size(name, make):
    assert make(8)(torch.randn(2, 8, 3, 5)).shape == (2, 8, 6, 10)


# Backbones

@pytest.mark.parametrize('name, channels', [
    ('resnet18', [64, 128, 256, 512]), ('resnet50', [256, 512, 1024, 2048]),
    ('resnext101_32x8d', [256, 512, 1024, 2048]), ('shufflenet_v2_x1_0', [24, 116, 232, 464])])
def test_channels_and_resolutions_of_backbones(name, channels):
    with torch.device('meta'):
        backbone = Backbone(name)
        features = backbone(torch.zeros(2, 3, 64, 96))
    assert backbone.channels == channels and backbone.training
    assert [feature.shape for feature in features] == [
        (2, width, 64 // stride, 96 // stride) for width, stride in zip(channels, (4, 8, 16, 32))]


def test_features_are_those_of_torchvision(images):
    torch.manual_seed(3)
    network = torchvision.models.resnet18().eval()
    torch.manual_seed(3)
    seen = {}
    network.layer2.register_forward_hook(lambda *arguments: seen.update(two=arguments[2]))
    network(images)
    torch.testing.assert_close(Backbone('resnet18').eval()(images)[1], seen['two'])


def test_pretrained_weights_are_loaded_by_torchvision(monkeypatch, images):
    """As if they were downloaded; see where they come from."""
    torch.manual_seed(4)
    network, urls = torchvision.models.resnet18().eval(), []

    def download(url, **kwargs):
        urls.append(url)
        return network.state_dict()

    monkeypatch.setattr('torchvision.models._api.load_state_dict_from_url', download)
    backbone = space(backbone='resnet18', weights='DEFAULT').backbone.eval()
    stem = network.maxpool(network.relu(network.bn1(network.conv1(images))))
    torch.testing.assert_close(backbone.stages[0](images), network.layer1(stem))
    assert len(urls) == 1 and urls[0].startswith('https://download.pytorch.org/models/resnet18')


# Errors

@pytest.mark.parametrize('kwargs, message', [
    (dict(backbone='vgg11'), 'Expected as backbone a network of the ResNet or ShuffleNetV2 family'),
    (dict(channels=12), 'Expected a multiple of 8 as channels, got 12'),
    (dict(channels=0), 'Expected a whole number from 1 to 1000000 as channels, got 0')])
def test_wrong_arguments(kwargs, message):
    with torch.device('meta'), pytest.raises(ValueError, match=message):
        space(**kwargs)


def test_wrong_size_of_images():
    with pytest.raises(ValueError, match=r'multiples of 32, got \(48, 64\)'):
        space()(torch.zeros(1, 3, 48, 64))


# Codes

def test_every_architecture_has_its_own_code_and_back():
    everything = [dict(zip((f'fusion/{i}_{j}' for i, j in EDGES), choices))
                  for choices in itertools.product(OPERATIONS, repeat=5)]
    codes = [encode_depth(sample) for sample in everything]
    assert len(set(codes)) == 3_125 and list(map(decode_depth, codes)) == everything


@pytest.mark.parametrize('form', FORMS)
def test_codes_of_random_architectures(form):
    with torch.device('meta'):
        searched = space(form)
    for sample in UniformSampler(searched).distinct(20):
        code = encode_depth(sample)
        assert decode_depth(code) == sample and searched.contains(decode_depth(code))
        assert code.count('^') == sum(label.endswith('up') for label in sample)


def test_known_code():
    sample = {'fusion/0_2': 'none', 'fusion/1_2': 'conv_3x3', 'fusion/0_3': 'skip_connect',
              'fusion/1_3': 'avg_pool_3x3', 'fusion/2_3': 'conv_1x1', 'fusion/up': 'pixel_shuffle'}
    code = '|none~0|conv_3x3~1|+|skip_connect~0|avg_pool_3x3~1|conv_1x1~2|^pixel_shuffle'
    assert encode_depth(sample) == code and decode_depth(code) == sample


BLOCK = '|none~0|none~1|+|none~0|none~1|none~2|'


@pytest.mark.parametrize('code', [
    '', BLOCK[:-1], f'{BLOCK} ', f'{BLOCK}^linear', f'{BLOCK}^', BLOCK.replace('none', 'max_pool'),
    BLOCK.replace('~2', '~1'), f'{BLOCK} > {BLOCK}', ' > '.join([BLOCK] * 5),
    ' > '.join([f'{BLOCK}^bicubic', BLOCK, BLOCK, BLOCK]), f'{BLOCK}\n'])
def test_decode_refuses_other_codes(code):
    with pytest.raises(ValueError, match='Expected one code or four, joined by " > ", such as'):
        decode_depth(code)


@pytest.mark.parametrize('change', [
    {'fusion/0_2': 'max_pool'}, {'fusion/up': 'nearest'}, {'fusion/1_0': 'none'},
    {'fusion4/0_2': 'none'}])
def test_encode_refuses_other_samples(change):
    with pytest.raises(ValueError, match='Expected choices of DepthDecoder'):
        encode_depth({**decode_depth(BLOCK), **change})


def test_encode_refuses_no_sample():
    with pytest.raises(ValueError, match='Expected choices of DepthDecoder'):
        encode_depth({})
