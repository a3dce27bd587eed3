"""Weighted sums of choices, against sums over the frozen choices and against paths."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from nni.mutable import Categorical
from nni.nas.nn.pytorch import InputChoice, LayerChoice, ModelSpace, MutableConv2d, Repeat
from nni.nas.nn.pytorch.cell import preprocess_cell_inputs
from nni.nas.oneshot.pytorch.supermodule.sampling import PathSamplingCell
from nni.nas.strategy import GumbelDARTS, RandomOneShot
from torch import nn

from nni_rankreg.host.network.activation import Activator
from nni_rankreg.host.network.mixture import Mixer
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.space import PNAS
from nni_rankreg.strategy import SPOS
from nni_rankreg.supernet.architecture import ArchitectureParameters


class Tiny(ModelSpace):
    """Two layers, of which each or the input goes to the output."""

    def __init__(self, chosen=1):
        super().__init__()
        self.first = LayerChoice([nn.Linear(3, 3), nn.Tanh()], label='first')
        self.second = LayerChoice({'a': nn.Linear(3, 3), 'b': nn.ReLU(), 'c': nn.Linear(3, 3)},
                                  label='second')
        self.which = InputChoice(3, chosen, label='which')

    def forward(self, x):
        first = self.first(x)
        return self.which([x, first, self.second(first)])


def one_hot(sample):
    return {label: [(choice, 1.)] for label, choice in sample.items()}


def executed(supernet, run):
    """Return the names of the modules without children that run, with how often."""
    counts, handles = Counter(), []
    for name, module in supernet.named_modules():
        if not list(module.children()):
            handles.append(module.register_forward_hook(
                lambda *_, name=name: counts.update([name])))
    run()
    for handle in handles:
        handle.remove()
    return counts


def test_layers_and_inputs_against_the_formula():
    torch.manual_seed(0)
    space, x = RandomOneShot().mutate_model(Tiny()), torch.randn(4, 3)
    w = {'first': [0.2, 0.8], 'second': [0.5, -1., 0.25], 'which': [0.1, 0.6, 0.3]}
    Mixer(space)({'first': list(zip(space.first.names, w['first'])),
                  'second': list(zip('abc', w['second'])),
                  'which': list(zip([[0], [1], [2]], w['which']))})
    one, two = space.first.candidates, space.second.candidates
    first = 0.2 * one[0](x) + 0.8 * one[1](x)
    second = 0.5 * two['a'](first) - two['b'](first) + 0.25 * two['c'](first)
    torch.testing.assert_close(space(x), 0.1 * x + 0.6 * first + 0.3 * second)


@pytest.mark.slow
@pytest.mark.parametrize('name', ['NasBench201', 'DARTS', 'own NasBench201', 'own DARTSSpace',
                                  'own PNAS of one size'])
def test_one_choice_of_each_label_is_the_path(name, make_space):
    """Also in cells, and where only loose ends are merged; the same modules are executed."""
    torch.manual_seed(0)
    space = PNAS(4, 3) if name.startswith('own PNAS') else make_space(name)
    supernet = RandomOneShot().mutate_model(space).train()
    activate, mixer, x = Activator(supernet), Mixer(supernet), torch.randn(2, 3, 16, 16)
    for sample in UniformSampler(supernet, seed=3).distinct(2):
        activate(sample)
        path = supernet(x)
        counts = executed(supernet, lambda: supernet(x))
        mixer(one_hot(sample))
        torch.testing.assert_close(supernet(x), path)
        assert executed(supernet, lambda: supernet(x)).keys() == counts.keys()
        mixer(None)
        assert not any('forward' in vars(module) for module in supernet.modules())
        torch.testing.assert_close(supernet(x), path)


def test_a_cell_against_the_formula(make_supernet):
    """Each operation on each input weighs the product of both; two slots are added."""
    supernet, x = make_supernet('own DARTSSpace').train(), torch.randn(2, 3, 16, 16)
    cell = next(one for one in supernet.modules() if isinstance(one, PathSamplingCell))
    Activator(supernet)(UniformSampler(supernet).sample())
    mixture = ArchitectureParameters(supernet, seed=1).mixture()
    Mixer(supernet)(mixture)
    inputs = []
    cell.register_forward_pre_hook(lambda _, args: inputs.append(args))
    outputs = []
    cell.register_forward_hook(lambda *args: outputs.append(args[-1]))
    supernet(x)
    states = cell.preprocessor(preprocess_cell_inputs(2, *inputs[0]))
    for node in range(2, 2 + cell.num_nodes):
        total = 0.
        for slot in range(2):
            for (source,), wi in mixture[f'{cell.label}/input_{node}_{slot}']:
                for op, wo in mixture[f'{cell.label}/op_{node}_{slot}']:
                    total = total + wi * wo * cell.ops[node - 2][source][op](states[source])
        states.append(total)
    expected = torch.cat(states[2:], 1)
    got = outputs[0][-1] if isinstance(outputs[0], (list, tuple)) else outputs[0]
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


def test_nni_still_executes_every_choice(make_space):
    """Guard: with its own one-shot modules, also where the draw is hard."""
    strategy = GumbelDARTS()
    supernet = strategy.mutate_model(make_space())
    layer = next(one for one in supernet.modules() if isinstance(one, LayerChoice))
    layer._softmax.hard = True
    x = torch.randn(2, 4, 8, 8)
    children = {name.split('.')[0] for name in executed(layer, lambda: layer(x))}
    assert children - {'_softmax'} == set(layer.names)


class Pairs(ModelSpace):
    """Two of three inputs."""

    def __init__(self, reduction):
        super().__init__()
        self.which = InputChoice(3, 2, reduction=reduction, label='which')

    def forward(self, x):
        return self.which([x, 2 * x, x ** 2])


@pytest.mark.parametrize('reduction', ['sum', 'mean', 'concat'])
def test_several_inputs(reduction):
    x, factors = torch.randn(4, 3), [0.5, 0.2, 0.3]
    space = RandomOneShot().mutate_model(Pairs(reduction))
    inputs, choices = [x, 2 * x, x ** 2], [[0, 1], [0, 2], [1, 2]]
    reduce = {'sum': lambda a, b: a + b, 'mean': lambda a, b: (a + b) / 2,
              'concat': lambda a, b: torch.cat([a, b], 1)}[reduction]
    Mixer(space)({'which': list(zip(choices, factors))})
    torch.testing.assert_close(space(x), sum(
        factor * reduce(inputs[one], inputs[other])
        for factor, (one, other) in zip(factors, choices)))


class Deep(ModelSpace):
    """Two to four layers, by an expression of two labels."""

    def __init__(self, module=nn.Linear):
        super().__init__()
        depth = Categorical([1, 2], label='one') + Categorical([1, 2], label='other')
        self.blocks = Repeat(lambda index: module(3, 3), depth)

    def forward(self, x):
        return self.blocks(x)


def after(blocks, x):
    """Return what comes out at each depth, from 0 on."""
    outputs = [x]
    for block in blocks:
        outputs.append(block(outputs[-1]))
    return outputs


def test_depths_against_the_formula():
    space, x = RandomOneShot().mutate_model(Deep()), torch.randn(4, 3)
    outputs = after(space.blocks.blocks, x)
    Mixer(space)({'one': [(1, .25), (2, .75)], 'other': [(1, .5), (2, .5)]})
    torch.testing.assert_close(
        space(x), .125 * outputs[2] + .5 * outputs[3] + .375 * outputs[4])


def test_a_path_of_some_depth_weighs_lesser_ones():
    """And greater ones count as its own; they are not executed."""
    space, x = RandomOneShot().mutate_model(Deep()), torch.randn(4, 3)
    outputs = after(space.blocks.blocks, x)
    weights = torch.tensor([[0., 1.], [1., 0.]], requires_grad=True)  # 2 + 1
    one, other = weights.unbind()
    Mixer(space, paths=True)({'one': list(zip([1, 2], one.unbind())),
                              'other': list(zip([1, 2], other.unbind()))}, {'one': 2, 'other': 1})
    got, factor = space(x), torch.randn(4, 3)
    torch.testing.assert_close(got, outputs[3])
    assert set(executed(space, lambda: space(x))) == {f'blocks.blocks.{one}' for one in range(3)}
    gains = [(one * factor).sum() for one in outputs]
    gradient, = torch.autograd.grad((got * factor).sum(), weights)
    # Depths: 1 + 1 with d(1), 2 + 1 with d(2) of the first; 2 + 1, 2 + 2 of the second.
    torch.testing.assert_close(gradient, torch.stack([
        torch.stack([gains[2], gains[3]]), torch.stack([gains[3], gains[3]])]))


@pytest.mark.parametrize('name', ['AutoFormer', 'own ResNet48', 'own ProxylessNAS',
                                  'own DARTSSpace of any size'])
def test_a_drawn_path_with_all_weights_is_the_path(name, make_supernet):
    """Whatever the space chooses."""
    torch.manual_seed(0)
    supernet = make_supernet(name).train()
    activate, mixer, x = Activator(supernet), Mixer(supernet, paths=True), torch.randn(2, 3, 32, 32)
    architecture = ArchitectureParameters(supernet)
    for _ in range(2):
        drawn = architecture.draw(1.)
        activate(drawn.path)
        torch.manual_seed(1)  # of dropped paths
        path = supernet(x)
        names = executed(supernet, lambda: supernet(x)).keys()
        mixer(*drawn)
        torch.manual_seed(1)
        mixed = supernet(x)
        torch.testing.assert_close(mixed, path, rtol=1e-4, atol=1e-5)
        gradient, = torch.autograd.grad(mixed.square().sum(), architecture.logits)
        assert gradient.isfinite().all() and (gradient[architecture.used] != 0).any()
        assert executed(supernet, lambda: supernet(x)).keys() == names
        mixer(None)


@pytest.mark.parametrize('name', ['AutoFormer', 'own ResNet48', 'own ProxylessNAS'])
def test_a_mixture_of_everything_reaches_every_label(name, make_supernet):
    torch.manual_seed(0)
    supernet, x = make_supernet(name).train(), torch.randn(2, 3, 32, 32)
    architecture = ArchitectureParameters(supernet)
    Activator(supernet)(architecture.sample())
    Mixer(supernet)(architecture.mixture())
    gradient, = torch.autograd.grad(supernet(x).square().sum(), architecture.logits)
    movable = architecture.used.sum(1) > 1
    assert gradient.isfinite().all() and (gradient[movable] != 0).any(1).all()


class Strided(ModelSpace):
    """A choice of resolutions."""

    def __init__(self):
        super().__init__()
        self.layer = MutableConv2d(3, 2, 3, stride=Categorical([1, 2], label='stride'))

    def forward(self, x):
        return self.layer(x).mean((2, 3))


@pytest.mark.parametrize('name, kind', [
    ('NasBench101', 'PathSamplingCell101'), ('strides', 'AnyConv2d'),
    ('own DARTSSpace of any size', 'PathSamplingFirst')])
def test_what_cannot_be_mixed_is_refused(name, kind, make_supernet):
    supernet = (SPOS().mutate_model(Strided()) if name == 'strides' else make_supernet(name))
    with pytest.raises(ValueError, match=rf'Expected a space whose choices can be.*{kind}.*SPOS'):
        Mixer(supernet)


def test_a_path_may_choose_a_stride():
    supernet, x = SPOS().mutate_model(Strided()), torch.randn(2, 3, 8, 8)
    architecture = ArchitectureParameters(supernet)
    Mixer(supernet, paths=True)(*architecture.draw(1.))
    gradient, = torch.autograd.grad(supernet(x).sum(), architecture.logits)
    assert gradient.abs().min() > 0


def test_a_path_refuses_what_nothing_weighs(make_supernet):
    with pytest.raises(ValueError, match=r'cell/edge.*\.\.\.\. Use SPOS'):
        Mixer(make_supernet('NasBench101'), paths=True)
