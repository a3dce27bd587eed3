"""Weighted operations, against sums over the stand-alone operations of all combinations."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from nni.mutable import Categorical
from nni.nas.hub.pytorch.autoformer import AbsolutePositionEmbedding, MixedAbsolutePositionEmbedding
from nni.nas.nn.pytorch import (
    ModelSpace,
    MutableBatchNorm2d,
    MutableConv1d,
    MutableConv2d,
    MutableLayerNorm,
    MutableLinear,
    MutableMultiheadAttention,
)
from nni.nas.oneshot.pytorch.supermodule.operation import MixedOperation
from torch import nn

from nni_rankreg.host.network.operation import WeightedOperation
from nni_rankreg.host.network.subnet import extract
from nni_rankreg.host.network.weights import Weights
from nni_rankreg.strategy import SPOS

A = Categorical([2, 4, 6], label='a')
B = Categorical([4, 8], label='b')
K = Categorical([1, 3, 5], label='k')
D = Categorical([1, 2], label='d')
W = Categorical([8, 16], label='w')
IMAGES = torch.Size([3, 8, 7, 6])

OPERATIONS = {
    'output channels': (lambda: MutableConv2d(8, A, 3), IMAGES),
    'input channels': (lambda: MutableConv2d(B, 3, 3), IMAGES),
    'both': (lambda: MutableConv2d(B, A, 3), IMAGES),
    'one label': (lambda: MutableConv2d(B, B, 3), IMAGES),
    'kernel': (lambda: MutableConv2d(8, 3, K, padding=K // 2), IMAGES),
    'everything': (lambda: MutableConv2d(B, A + B, K, padding=K // 2, stride=2, bias=False),
                   IMAGES),
    'kernels': (lambda: MutableConv2d(
        8, 2, Categorical([(3, 3), (1, 5), (5, 1)], label='k'),
        padding=Categorical([(1, 1)], label='p')), IMAGES),
    'reflected borders': (lambda: MutableConv2d(8, 3, K, padding=K // 2, padding_mode='reflect'),
                          IMAGES),
    'reflected borders, dilation': (lambda: MutableConv2d(
        8, 3, 3, dilation=D, padding=D, padding_mode='reflect'), IMAGES),
    'even and odd kernels': (lambda: MutableConv2d(
        8, 3, Categorical([2, 3, 4, 5], label='k'), padding='same'), IMAGES),
    'same size, repeated borders': (lambda: MutableConv2d(
        8, 3, Categorical([2, 5], label='k'), padding='same', dilation=(1, 2),
        padding_mode='replicate'), IMAGES),
    'lists': (lambda: MutableConv2d(B, A, [3, 5], padding=[1, 2], stride=[1, 2]), IMAGES),
    'groups of 8 channels': (lambda: MutableConv2d(W, 2 * W, 3, groups=W // 8),
                             torch.Size([3, 16, 7, 6])),
    'depthwise': (lambda: MutableConv2d(B, B, 3, groups=B), IMAGES),
    'depthwise, wider output': (lambda: MutableConv2d(B, 2 * B, 3, groups=B), IMAGES),
    'groups': (lambda: MutableConv2d(8, 8, 3, groups=Categorical([1, 2, 4], label='g')), IMAGES),
    'groups of other channels': (lambda: MutableConv2d(B, A, 3, groups=2), IMAGES),
    'dilation': (lambda: MutableConv2d(8, A, 3, dilation=D, padding=D), IMAGES),
    'linear': (lambda: MutableLinear(B, A * 2), torch.Size([2, 3, 8])),
    'expression': (lambda: MutableLinear(A + B - 2, B, bias=False), torch.Size([2, 12])),
    'batch norm': (lambda: MutableBatchNorm2d(B), IMAGES),
    'epsilon': (lambda: MutableBatchNorm2d(B, eps=Categorical([1e-5, 1.], label='e')), IMAGES),
    'batch norm without weights': (
        lambda: MutableBatchNorm2d(8, eps=Categorical([1e-5, 1.], label='e'), affine=False),
        IMAGES),
    'widths of a batch norm without weights': (lambda: MutableBatchNorm2d(B, affine=False), IMAGES),
    'layer norm': (lambda: MutableLayerNorm(B), torch.Size([2, 3, 8])),
}


def operation_of(make):
    """Return the operation in a super-net, with numbers in the place of all ones and zeros."""
    class Space(ModelSpace):
        def __init__(self):
            super().__init__()
            self.operation = make()

    torch.manual_seed(0)
    operation = SPOS().mutate_model(Space()).operation
    for parameter in operation.parameters():
        nn.init.normal_(parameter)
    return operation


def mixture_of(operation):
    """Return logits, and the mixture of their softmax."""
    generator = torch.Generator().manual_seed(1)
    logits = {label: torch.randn(len(leaf.values), generator=generator, dtype=torch.double,
                                 requires_grad=True)
              for label, leaf in operation.simplify().items()}
    return list(logits.values()), {
        label: list(zip(leaf.values, logits[label].softmax(0).unbind()))
        for label, leaf in operation.simplify().items()}


def combinations(mixture):
    """Yield each sample with its weight."""
    for pairs in itertools.product(*mixture.values()):
        yield (dict(zip(mixture, [choice for choice, _ in pairs])),
               math.prod(weight for _, weight in pairs))


def padded(tensor, shape):
    return F.pad(tensor, [number for one, other in zip(reversed(tensor.shape), reversed(shape))
                          for number in (0, other - one)])


def stand_alone(operation, sample, x):
    one = extract(operation, sample).train()
    return one(taken(one, x))


def taken(one, x):
    """Return the part of an input that a stand-alone operation takes."""
    if isinstance(one, nn.Conv2d):
        return x[:, :one.in_channels]
    if isinstance(one, nn.BatchNorm2d):
        return x[:, :one.num_features]
    return x[..., :one.in_features if isinstance(one, nn.Linear) else one.normalized_shape[0]]


@pytest.mark.parametrize('name', [one for one in OPERATIONS if one != 'kernels'])
def test_a_mixture_is_the_sum_over_all_combinations(name):
    make, shape = OPERATIONS[name]
    operation, x = operation_of(make).double(), torch.randn(shape, dtype=torch.double)
    logits, mixture = mixture_of(operation)
    outputs = [(weight, stand_alone(operation, sample, x))
               for sample, weight in combinations(mixture)]
    largest = [max(sizes) for sizes in zip(*(one.shape for _, one in outputs))]
    expected = sum(weight * padded(one, largest) for weight, one in outputs)
    got = WeightedOperation(operation)(Weights(mixture), x)
    torch.testing.assert_close(got, expected)

    factor = torch.randn_like(expected)
    torch.testing.assert_close(
        torch.autograd.grad((got * factor).sum(), logits, retain_graph=True),
        torch.autograd.grad((expected * factor).sum(), logits, retain_graph=True))


@pytest.mark.parametrize('name', list(OPERATIONS))
def test_a_path_is_the_stand_alone_operation(name):
    make, shape = OPERATIONS[name]
    operation, x = operation_of(make).double(), torch.randn(shape, dtype=torch.double)
    _, mixture = mixture_of(operation)
    weighted = WeightedOperation(operation)
    for path, _ in combinations(mixture):
        hard = {label: [(choice, torch.tensor(float(choice == path[label])))
                        for choice, _ in pairs] for label, pairs in mixture.items()}
        one = extract(operation, path).train()
        expected = one(taken(one, x))
        torch.testing.assert_close(weighted(Weights(hard, path), taken(one, x)), expected)
        alone = {label: [(choice, 1.)] for label, choice in path.items()}
        torch.testing.assert_close(weighted(Weights(alone), x), expected)


def test_a_path_weighs_what_lies_inside_it():
    """Of the widths 2, 4, 6 with 4 executed: 2 weighs its part, 6 counts as 4."""
    operation, x = operation_of(lambda: MutableLinear(3, A)).double(), torch.randn(5, 3).double()
    weights = torch.tensor([0., 1., 0.], dtype=torch.double, requires_grad=True)
    got = WeightedOperation(operation)(
        Weights({'a': list(zip([2, 4, 6], weights.unbind()))}, {'a': 4}), x)
    narrow = F.linear(x, operation.weight[:2], operation.bias[:2])
    four = F.linear(x, operation.weight[:4], operation.bias[:4])
    torch.testing.assert_close(got, four)
    factor = torch.randn_like(four)
    expected = [(narrow * factor[:, :2]).sum(), (four * factor).sum(), (four * factor).sum()]
    torch.testing.assert_close(torch.autograd.grad((got * factor).sum(), weights)[0],
                               torch.stack(expected))


@pytest.mark.parametrize('name, choices', [
    ('embed_dim', Categorical([4, 8], label='b')), ('num_heads', Categorical([1, 2], label='h')),
    ('kdim', Categorical([3, 5], label='k'))])
def test_attention(name, choices):
    """Each value is executed for itself: the scale and the heads depend on it."""
    arguments = {'embed_dim': 8, 'num_heads': 2, 'kdim': 5, 'vdim': 6, name: choices}
    operation = operation_of(lambda: MutableMultiheadAttention(**arguments)).double()
    query, key, value = (torch.randn(4, 3, width).double() for width in (8, 5, 6))
    _, mixture = mixture_of(operation)
    expected, maps = 0., 0.
    for sample, weight in combinations(mixture):
        one = extract(operation, sample).train()
        output, attended = one(query[..., :one.embed_dim], key[..., :one.kdim], value)
        expected = expected + weight * padded(output, query.shape)
        maps = maps + weight * attended
    weighted = WeightedOperation(operation)
    for got in (weighted(Weights(mixture), query, key, value),
                weighted(Weights(mixture), query=query, key=key, value=value)):
        torch.testing.assert_close(got, (expected, maps))
    output, attended = weighted(Weights(mixture), query, key, value, need_weights=False)
    torch.testing.assert_close(output, expected)
    assert attended is None


def test_operations_of_the_user_have_weighted_slices():
    class Space(ModelSpace):
        def __init__(self):
            super().__init__()
            self.operation = AbsolutePositionEmbedding(3, B)

    operation = SPOS(mutation_hooks=[MixedAbsolutePositionEmbedding.mutate]).mutate_model(
        Space()).operation
    got = WeightedOperation(operation)(Weights({'b': [(4, .25), (8, .75)]}), torch.ones(2, 3, 8))
    factors = torch.tensor([1.] * 4 + [.75] * 4)
    torch.testing.assert_close(got, 1 + (operation.pos_embed * factors).expand(2, -1, -1))


class MixedConv1d(MixedOperation, nn.Conv1d):
    """An operation of a user, of some channels; its borders have a name or none."""

    bound_type = MutableConv1d
    argument_list = ['out_channels', 'padding_mode']

    def super_init_argument(self, name, value_choice):
        return max(value_choice.grid()) if name == 'out_channels' else 'zeros'

    def freeze_weight(self, out_channels, **kwargs):
        return {'weight': self.weight[:out_channels], 'bias': self.bias[:out_channels]}

    def forward_with_args(self, out_channels, padding_mode, x):
        x = F.pad(x, [1, 1], 'constant' if padding_mode is None else padding_mode)
        return F.conv1d(x, *self.freeze_weight(out_channels).values())


@pytest.mark.parametrize('choices', [{}, {'b': 8, 'mode': None}])
def test_arguments_that_slice_nothing_are_executed_each(choices):
    modes = ['circular', None, 'reflect']

    class Space(ModelSpace):
        def __init__(self):
            super().__init__()
            self.operation = MutableConv1d(3, B, 3, padding_mode=Categorical(modes, label='mode'))

    operation = SPOS(mutation_hooks=[MixedConv1d.mutate]).mutate_model(Space()).operation.double()
    x = torch.randn(2, 3, 9, dtype=torch.double)
    logits, mixture = mixture_of(operation)
    if choices:
        mixture = {label: [(choice, float(choice == choices[label])) for choice, _ in pairs]
                   for label, pairs in mixture.items()}
    expected = sum(weight * padded(operation.forward_with_args(
        sample['b'], sample['mode'], x), (2, 8, 9)) for sample, weight in combinations(mixture))
    got = WeightedOperation(operation)(Weights(mixture), x)
    torch.testing.assert_close(got, expected)
    if not choices:
        factor = torch.randn_like(got)
        torch.testing.assert_close(
            torch.autograd.grad((got * factor).sum(), logits, retain_graph=True),
            torch.autograd.grad((expected * factor).sum(), logits))


@pytest.mark.parametrize('name', ['everything', 'groups of other channels', 'epsilon'])
def test_a_first_use_in_inference_mode_does_not_spoil_training(name):
    make, shape = OPERATIONS[name]
    operation, x = operation_of(make).double(), torch.randn(shape, dtype=torch.double)
    _, mixture = mixture_of(operation)
    weighted = WeightedOperation(operation)
    with torch.inference_mode():
        before = weighted(Weights(mixture), x)
    after = weighted(Weights(mixture), x)
    after.sum().backward()
    torch.testing.assert_close(after, before)
    assert operation.weight.grad is not None


@pytest.mark.parametrize('make', [lambda: MutableLinear(3, A), lambda: MutableLinear(B, A)])
def test_too_wide_an_input_is_an_error(make):
    operation = operation_of(make)
    _, mixture = mixture_of(operation)
    with pytest.raises(RuntimeError, match='shapes cannot be multiplied'):
        WeightedOperation(operation)(Weights(mixture), torch.randn(2, 9))


def test_weights_of_another_type():
    operation = operation_of(lambda: MutableLinear(B, A)).to(torch.bfloat16)
    _, mixture = mixture_of(operation)
    output = WeightedOperation(operation)(Weights(mixture), torch.randn(2, 8).bfloat16())
    assert output.dtype is torch.bfloat16


@pytest.mark.parametrize('make, sizes', [
    (lambda: MutableConv2d(3, 4, 3, stride=Categorical([1, 2], label='s')), 2),
    (lambda: MutableConv2d(3, 4, 3, padding=Categorical([0, 1], label='p')), 2),
    (lambda: MutableConv2d(3, 4, 3, dilation=Categorical([1, 2], label='d')), 2),
    (OPERATIONS['dilation'][0], 1), (OPERATIONS['everything'][0], 1),
    (lambda: MutableConv2d(3, 4, 3, padding='valid', dilation=Categorical([1, 2], label='d')), 2),
    (lambda: MutableConv2d(3, 4, 3, padding='same', dilation=Categorical([1, 2], label='d')), 1)])
def test_sizes_of_the_output(make, sizes):
    assert len(WeightedOperation(operation_of(make)).output_sizes()) == sizes
