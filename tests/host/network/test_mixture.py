"""Weighted sums of choices, against sums over the frozen choices and against paths."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from nni.nas.nn.pytorch import InputChoice, LayerChoice, ModelSpace
from nni.nas.nn.pytorch.cell import preprocess_cell_inputs
from nni.nas.oneshot.pytorch.supermodule.sampling import PathSamplingCell
from nni.nas.strategy import GumbelDARTS, RandomOneShot
from torch import nn

from nni_rankreg.host.network.activation import Activator
from nni_rankreg.host.network.mixture import Mixer
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.space import PNAS
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


@pytest.mark.parametrize('name, kind', [
    ('NasBench101', 'PathSamplingCell101'), ('AutoFormer', 'Mixed'),
    ('own DARTSSpace of any size', 'PathSampling'), ('two inputs', 'PathSamplingInput')])
def test_what_cannot_be_mixed_is_refused(name, kind, make_supernet):
    supernet = (RandomOneShot().mutate_model(Tiny(chosen=2)) if name == 'two inputs'
                else make_supernet(name))
    with pytest.raises(ValueError, match=rf'Expected a space that chooses.*{kind}.*Use SPOS'):
        Mixer(supernet)
