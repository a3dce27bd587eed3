"""What architectures share at their beginning, against networks that compute everything."""

from __future__ import annotations

import pytest
import torch
from nni.nas.nn.pytorch import LayerChoice, ModelSpace, Repeat
from nni.nas.strategy import RandomOneShot
from torch import nn

from nni_rankreg.batch_norm import batch_statistics
from nni_rankreg.host.network.activation import Activator
from nni_rankreg.host.network.prefix import SharedPrefix, fixed_modules
from nni_rankreg.sampler import UniformSampler

LIMIT = 2 ** 30


class Counted(nn.Module):
    """Adds to its input, and counts how often it does."""

    def __init__(self, summand=1.):
        super().__init__()
        self.summand, self.calls = summand, 0

    def forward(self, x, factor=1):
        self.calls += 1
        return factor * (x + self.summand)


class InPlace(nn.Module):
    def forward(self, x):
        return x.mul_(2)


class Space(ModelSpace):
    """One layer after the other, perhaps a change in place, and a choice."""

    def __init__(self, layers, choice=Counted, change=0):
        super().__init__()
        self.layers, self.change = nn.ModuleList(layers), change
        self.choice = LayerChoice([choice(), choice()], label='x')

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        if self.change:
            x += self.change
        return self.choice(x)


@pytest.fixture
def images():
    return torch.arange(6.).reshape(2, 3)


def shared(network, images, limit=LIMIT, times=3):
    """Return the outputs of repeated calls."""
    with SharedPrefix(network, limit) as prefix, torch.no_grad():
        prefix.begin([images])
        return [network(images) for _ in range(times)]


def test_a_chain_of_known_tensors_is_computed_once(images):
    first, second = Counted(), Counted(10)
    outputs = shared(Space([first, second]), images)
    assert [first.calls, second.calls] == [1, 1]
    assert all(torch.equal(output, images + 12) for output in outputs)


@pytest.mark.slow
@pytest.mark.parametrize('name', ['NasBench201', 'NasBench101', 'own DARTSSpace', 'own AmoebaNet',
                                  'own DARTSSpace of any size', 'own ProxylessNAS', 'own ResNet48',
                                  'ProxylessNAS', 'ShuffleNet of any width', 'AutoFormer'])
@pytest.mark.parametrize('limit', [LIMIT, 20_000])
def test_outputs_are_exactly_those_of_the_networks(name, limit, make_supernet):
    """In spaces of operations, of cells, of widths, depths and blocks that are left out."""
    supernet = make_supernet(name)
    activate = Activator(supernet)
    # Often the same, so that there is a lot to share.
    samples = UniformSampler(supernet, seed=1).distinct(3) * 2
    batches = torch.randn(2, 2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), batch_statistics(supernet):
        prefix = SharedPrefix(supernet, limit)
        for images in batches:
            expected, found = [], []
            for sample in samples:
                activate(sample)
                expected.append(supernet(images))
            with prefix:
                prefix.begin([images])
                for sample in samples:
                    activate(sample)
                    found.append(supernet(images))
            assert all(map(torch.equal, found, expected))
        assert not torch.equal(expected[0], expected[1])


def test_most_operations_on_the_stem_run_once(make_supernet):
    supernet = make_supernet('NasBench201')
    activate, counts = Activator(supernet), {}
    samples = UniformSampler(supernet, seed=1).distinct(40)
    for name in ('stem', *(f'cells.0.layers.{node}.0.{choice}' for node in range(3)
                           for choice in ('conv_1x1', 'conv_3x3'))):
        module = supernet.get_submodule(name)
        norm = next(one for one in module.modules() if isinstance(one, nn.BatchNorm2d))
        norm.register_forward_hook(lambda *_, name=name: counts.update({
            name: counts.get(name, 0) + 1}))
    with torch.no_grad(), batch_statistics(supernet), SharedPrefix(supernet, LIMIT) as prefix:
        images = torch.zeros(2, 3, 8, 8)
        prefix.begin([images])
        for sample in samples:
            activate(sample)
            supernet(images)
    assert counts == dict.fromkeys(counts, 1) and len(counts) == 7


def test_an_input_that_is_changed_is_not_known(images):
    stem = Counted()
    outputs = shared(nn.Sequential(stem, InPlace()), images)
    assert stem.calls == 1  # both are one fixed module, of which only the output counts
    assert all(torch.equal(output, 2 * (images + 1)) for output in outputs)
    outputs = shared(Space([stem], InPlace), images)
    assert all(torch.equal(output, 2 * (images + 1)) for output in outputs)
    assert stem.calls == 4


def test_an_output_that_somebody_changes_is_computed_anew(images):
    stem = Counted()
    outputs = shared(Space([stem], change=5), images)
    assert all(torch.equal(output, images + 7) for output in outputs)
    assert stem.calls == 3


def test_the_same_tensor_with_another_content_is_computed_anew(images):
    stem = Counted()
    with SharedPrefix(stem, LIMIT) as prefix:
        prefix.begin([images])
        first = stem(images)
        images.mul_(0)
        assert torch.equal(stem(images), torch.ones(2, 3)) and not torch.equal(first, stem(images))


@pytest.mark.parametrize('args, kwargs, calls', [
    ((), {}, 1), ((2,), {}, 1), ((1.,), {}, 2), ((True,), {}, 2), ((), {'factor': 3}, 2),
    ((torch.ones(3),), {}, 2)])
def test_arguments_beside_the_tensor(args, kwargs, calls, images):
    """Whole numbers tell calls apart; what cannot be compared for sure is computed."""
    stem = Counted()
    expected = Counted()(images, *args, **kwargs)
    with SharedPrefix(stem, LIMIT) as prefix:
        prefix.begin([images])
        assert torch.equal(stem(images, 7), 7 * (images + 1))
        before = stem.calls
        for _ in range(2):
            assert torch.equal(stem(images, *args, **kwargs), expected)
    assert stem.calls - before == calls


def test_lists_and_tuples_are_not_remembered(images):
    class Pair(Counted):
        def forward(self, x):
            return super().forward(x), x

    pair = Pair()
    assert [len(output) for output in shared(pair, images)] == [2] * 3 and pair.calls == 3
    stem = Counted()
    with SharedPrefix(stem, LIMIT) as prefix:
        prefix.begin([images])
        with pytest.raises(TypeError):
            stem([images])


def test_the_limit_holds_and_the_longest_unused_is_forgotten(images):
    stems = nn.ModuleList(Counted(index) for index in range(3))
    with SharedPrefix(stems, limit=2 * images.nbytes) as prefix:
        prefix.begin([images])
        for index in (0, 1, 0, 2, 0, 1, 1):  # 1 makes place for 2, and then 2 for 1
            assert torch.equal(stems[index](images), images + index)
    assert [stem.calls for stem in stems] == [1, 2, 1]


@pytest.mark.parametrize('ending', ['next', 'end', 'error'])
def test_nothing_is_left(ending, images):
    space = nn.Sequential(Counted(), nn.Identity(), Counted())
    keys = set(vars(space[0]))
    prefix = SharedPrefix(space, LIMIT)
    with (pytest.raises(ZeroDivisionError) if ending == 'error' else prefix,
          prefix if ending == 'error' else torch.no_grad()):
        prefix.begin([images])
        output = space(images)
        if ending == 'next':
            prefix.begin([images + 1])
            assert not vars(images) and not vars(output)
        if ending == 'error':
            raise ZeroDivisionError
    assert not vars(images) and not vars(output) and set(vars(space[0])) == keys
    space(images)
    assert space[0].calls == 2


def test_unknown_tensors_are_always_computed(images):
    stem = Counted()
    with SharedPrefix(stem, LIMIT):
        assert torch.equal(stem(images), stem(images))
    assert stem.calls == 2


class Nested(ModelSpace):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Linear(2, 2))
        self.part = nn.Sequential(LayerChoice([nn.ReLU(), nn.Tanh()], label='x'), nn.Linear(2, 2))
        self.deep = Repeat(lambda index: nn.Identity(), (1, 3), label='d')


def test_fixed_modules_contain_no_choice():
    supernet = RandomOneShot().mutate_model(Nested())
    names = {module: name for name, module in supernet.named_modules()}
    assert {names[module] for module in fixed_modules(supernet)} == {
        'stem', 'stem.0', 'part.0.0', 'part.0.1', 'part.1', 'deep.blocks', 'deep.blocks.0',
        'deep.blocks.1', 'deep.blocks.2'}


@pytest.mark.slow
def test_layers_of_which_a_slice_is_used_are_not_fixed(make_supernet):
    supernet = make_supernet('own DARTSSpace of any size')
    fixed = set(fixed_modules(supernet))
    assert any(isinstance(module, nn.Conv2d) for module in supernet.modules())
    assert not [module for module in fixed if isinstance(module, nn.Conv2d)]


def test_a_forward_that_is_replaced_already_stays(images):
    """As that of a mixture of choices."""
    stem = Counted()
    vars(stem)['forward'] = forward = lambda x: -x
    assert torch.equal(shared(stem, images)[0], -images)
    assert vars(stem)['forward'] is forward


class Steered(nn.Module):
    """Does what an attribute says that is set from outside."""

    def __init__(self):
        super().__init__()
        self.mode = 1

    def forward(self, x):
        return x * self.mode


class Steering(nn.Module):
    """Sets attributes of what is inside, at any depth."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(Steered(), nn.Identity())

    def forward(self, x):
        return self.inner(x)


def test_a_module_that_is_steered_from_outside_is_not_taken_for_what_it_was():
    network, images = Steering(), torch.ones(2)
    with SharedPrefix(network.inner, LIMIT) as prefix:
        prefix.begin([images])
        for mode in (1, 2, 1, 3):
            network.inner[0].mode = mode
            assert torch.equal(network(images), mode * images)
