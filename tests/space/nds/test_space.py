"""The NDS spaces: choices, networks of trials, super-nets whose paths are those networks."""

from __future__ import annotations

import pytest
import torch
from nni.mutable import MutableSymbol
from nni.nas.hub.pytorch import DARTS as NniDARTS
from nni.nas.hub.pytorch import ENAS as NniENAS
from nni.nas.nn.pytorch import Cell
from nni.nas.oneshot.pytorch.strategy import is_supernet
from nni.nas.oneshot.pytorch.supermodule.operation import MixedOperation
from nni.nas.oneshot.pytorch.supermodule.sampling import PathSamplingCell
from nni.nas.space import model_context
from nni.nas.strategy import DARTS as DifferentiableStrategy
from nni.nas.strategy import RandomOneShot

from nni_rankreg.host.network.activation import Activator
from nni_rankreg.host.network.subnet import extract
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.sampler.choice import ChoiceSpace
from nni_rankreg.space import ENAS, PNAS, AmoebaNet, DARTSSpace, Genotype, NASNet, decode_nds
from nni_rankreg.space.nds.supernet import LooseEndCell, PathSamplingFirstPreprocessor

FAMILIES = {DARTSSpace: (8, 4, 'all'), ENAS: (5, 5, 'loose_end'), PNAS: (8, 5, 'all'),
            AmoebaNet: (8, 5, 'loose_end'), NASNet: (13, 5, 'loose_end')}
INPUTS = {4: 2 * 3 * 4 * 5, 5: 2 * 3 * 4 * 5 * 6}  # nodes -> choices of one input of each
LOOSE = ['own ENAS of any size', 'own AmoebaNet', 'own NASNet']
SUPERNETS = ['own DARTSSpace', 'own DARTSSpace of any size', 'own PNAS', *LOOSE]


def trial_network(supernet, sample):
    with model_context(sample):
        return supernet.trace_copy().get(traceable=False)


def trained(supernet):
    """Give the running statistics of a super-net other values than the initial ones."""
    activate, sampler = Activator(supernet), UniformSampler(supernet, seed=1)
    for _ in range(3):
        activate(sampler.sample())
        supernet.train()(torch.randn(4, 3, 16, 16))
    return supernet


@pytest.mark.slow
@pytest.mark.parametrize('family', FAMILIES)
def test_choices_are_those_of_the_benchmark(family):
    operations, nodes, merge = FAMILIES[family]
    with torch.device('meta'):
        space, sized = family(16, 20), family()
    cell = operations ** (2 * nodes) * INPUTS[nodes] ** 2
    assert ChoiceSpace(space).size == cell ** 2
    assert ChoiceSpace(sized).size == cell ** 2 * 3 * 5
    assert sized.simplify()['width'].values == [16, 24, 32]
    assert sized.simplify()['depth'].values == [4, 8, 12, 16, 20]
    cells = [module for module in space.modules() if isinstance(module, Cell)]
    assert len(cells) == 20 and {module.merge_op for module in cells} == {merge}


def test_numbers_of_cells():
    """Choices of operations, as the papers count: operations to the power of twice the nodes."""
    assert [len(family.operations) ** (2 * family.nodes) for family in FAMILIES] == [
        16_777_216, 9_765_625, 1_073_741_824, 1_073_741_824, 137_858_491_849]


def test_known_number_of_parameters():
    """The network that the DARTS paper evaluates, without its auxiliary classifier."""
    sample = decode_nds(Genotype(
        (('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1),
         ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)),
        (2, 3, 4, 5),
        (('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1),
         ('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)),
        (2, 3, 4, 5)), DARTSSpace)
    with torch.device('meta'), model_context(sample):
        network = DARTSSpace(36, 20)
    assert sum(parameter.numel() for parameter in network.parameters()) == 3_349_342


@pytest.mark.parametrize('name', SUPERNETS)
def test_the_active_path_is_the_network_of_a_trial(name, make_supernet):
    """Names and shapes are the same, and so is the output with the weights of the path."""
    supernet = trained(make_supernet(name)).eval()
    activate, x = Activator(supernet), torch.randn(2, 3, 16, 16)
    for sample in UniformSampler(supernet, seed=2).distinct(4):
        activate(sample)
        trial = trial_network(supernet, sample).eval()
        trial.load_state_dict(extract(supernet, sample).state_dict())
        with torch.no_grad():
            torch.testing.assert_close(trial(x), supernet(x), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize('depths', [(3, 6), (4, 5), (3, 5), (4, 8)])
@pytest.mark.parametrize('family', [DARTSSpace, ENAS])
def test_every_depth_is_the_network_of_a_trial(family, depths):
    supernet = RandomOneShot().mutate_model(family(4, depths)).eval()
    activate, x = Activator(supernet), torch.randn(2, 3, 16, 16)
    sample = UniformSampler(supernet, seed=3).sample()
    for depth in depths:
        sample['depth'] = depth
        activate(sample)
        trial = trial_network(supernet, sample).eval()
        trial.load_state_dict(extract(supernet, sample).state_dict())
        with torch.no_grad():
            torch.testing.assert_close(trial(x), supernet(x), rtol=1e-4, atol=1e-5)
        assert sum(len(stage) for stage in trial.stages) == depth


@pytest.mark.slow
@pytest.mark.parametrize('dataset, pixels', [('cifar', 16), ('imagenet', 64)])
def test_both_data_sets(dataset, pixels):
    supernet = RandomOneShot().mutate_model(ENAS(4, (3, 6), dataset, num_labels=7)).eval()
    activate, x = Activator(supernet), torch.randn(2, 3, pixels, pixels)
    for sample in UniformSampler(supernet, seed=4).distinct(2):
        activate(sample)
        trial = trial_network(supernet, sample).eval()
        trial.load_state_dict(extract(supernet, sample).state_dict())
        with torch.no_grad():
            assert trial(x).shape == (2, 7)
            torch.testing.assert_close(trial(x), supernet(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('name', LOOSE)
def test_cells_merge_loose_ends_only(name, make_supernet):
    supernet = make_supernet(name)
    cells = [module for module in supernet.modules() if isinstance(module, PathSamplingCell)]
    assert all(type(cell) is LooseEndCell for cell in cells)
    sampler, activate = UniformSampler(supernet, seed=5), Activator(supernet)
    outputs = {}
    hooks = [cell.register_forward_hook(lambda cell, _, output: outputs.update({cell: output[1]}))
             for cell in cells]
    for _ in range(5):
        sample = sampler.sample()
        outputs.clear()
        activate(sample)
        supernet(torch.randn(2, 3, 16, 16))
        for cell, output in outputs.items():
            used = {sample[f'{cell.label}/input_{node}_{slot}'][0]
                    for node in range(2, 7) for slot in range(2)}
            assert [node for node, part in enumerate(output.chunk(5, 1), start=2)
                    if not part.any()] == [node for node in range(2, 7) if node in used]
    for hook in hooks:
        hook.remove()


@pytest.mark.slow
def test_a_loose_end_uses_the_same_weights_in_every_architecture(make_supernet):
    """Node 6 is always merged; its weights in the next cell are the last fifth."""
    supernet = make_supernet('own NASNet')
    sampler = UniformSampler(supernet, seed=6)
    for sample in sampler.distinct(3):
        weight = extract(supernet, sample).classifier.weight
        channels = supernet.classifier.weight.size(1) // 5
        assert torch.equal(weight[:, -channels:], supernet.classifier.weight[:, -channels:])
        assert weight.size(1) in {channels * count for count in range(1, 6)}


@pytest.mark.slow
def test_a_fixed_size_has_no_layers_to_slice(make_supernet):
    assert not any(isinstance(module, MixedOperation)
                   for module in make_supernet('own DARTSSpace').modules())
    assert any(isinstance(module, MixedOperation)
               for module in make_supernet('own DARTSSpace of any size').modules())


@pytest.mark.slow
def test_a_stage_of_one_cell_changes_the_first_layer_of_the_next():
    supernet = RandomOneShot().mutate_model(DARTSSpace(4, (3, 6)))
    first = [supernet.stages[index].blocks[0].preprocessor for index in range(3)]
    assert [isinstance(one, PathSamplingFirstPreprocessor) for one in first] == [False, True, True]
    activate, sample = Activator(supernet), UniformSampler(supernet, seed=7).sample()
    for depth in (3, 6, 3):
        activate({**sample, 'depth': depth})
        assert [one.single for one in first[1:]] == [depth == 3] * 2
    assert first[1].export({}).keys() == {'depth'} and first[1].export({'depth': 6})['depth'] == 6


def test_none_is_a_choice(make_supernet):
    space, without = DARTSSpace(4, 3), DARTSSpace(4, 3, none=False)
    operations = {leaf.label: leaf.values for leaf in space.simplify().values()
                  if isinstance(leaf, MutableSymbol) and 'op' in leaf.label}
    assert all(set(values) == set(DARTSSpace.operations) for values in operations.values())
    assert without.simplify()['normal/op_2_0'].values == [*DARTSSpace.operations[:-1]]
    assert [*DARTSSpace.operations[:-1]] == NniDARTS.DARTS_OPS
    supernet = make_supernet('own DARTSSpace').eval()
    sample = {label: 'none' if 'op' in label else choice
              for label, choice in UniformSampler(supernet).sample().items()}
    Activator(supernet)(sample)
    x = torch.randn(2, 3, 16, 16)
    torch.testing.assert_close(supernet(x), supernet.classifier.bias.expand(2, -1))


def test_number_of_classes():
    sample = UniformSampler(DARTSSpace(4, 3)).sample()
    with model_context(sample):
        network = DARTSSpace(4, 3, 'cifar', True, 0.1, num_labels=7).train()
    logits, auxiliary = network(torch.randn(2, 3, 32, 32))
    assert logits.shape == auxiliary.shape == (2, 7)
    frozen = DARTSSpace(4, 3, 'cifar', num_labels=7).freeze(sample)
    assert frozen(torch.randn(2, 3, 16, 16)).shape == (2, 7)


def test_freeze_returns_the_network_of_a_trial():
    space = ENAS((4, 8), (3, 6))
    assert not is_supernet(space)
    sample = UniformSampler(space, seed=8).sample()
    network = space.freeze(sample)
    assert {name: value.shape for name, value in network.state_dict().items()} == {
        name: value.shape for name, value in trial_network(space, sample).state_dict().items()}


@pytest.mark.slow
@pytest.mark.parametrize('family', [DARTSSpace, ENAS])
def test_differentiable_strategies_of_nni(family):
    supernet = DifferentiableStrategy().mutate_model(family((4, 8), (3, 6)))
    supernet(torch.randn(2, 3, 16, 16)).sum().backward()
    assert not any(isinstance(module, LooseEndCell) for module in supernet.modules())


@pytest.mark.parametrize('num_cells', [2, (2, 4)])
def test_a_stage_has_at_least_one_cell(num_cells):
    with pytest.raises(ValueError, match='Expected at least 3 cells, .*, got num_cells='):
        DARTSSpace(4, num_cells)


# Guards: when one of these fails, NNI does itself what these spaces are for.

def test_nni_still_fails_if_only_some_stages_vary():
    supernet = RandomOneShot().mutate_model(NniDARTS(4, (4, 5), 'cifar'))
    Activator(supernet)(UniformSampler(supernet).sample())
    with pytest.raises(RuntimeError):
        supernet(torch.randn(2, 3, 16, 16))


def test_nni_still_merges_all_nodes():
    supernet = RandomOneShot().mutate_model(NniENAS(4, 3, 'cifar'))
    sample = UniformSampler(supernet, seed=9).sample()
    with pytest.raises(RuntimeError, match='size mismatch'):
        trial_network(supernet, sample).load_state_dict(extract(supernet, sample).state_dict())


@pytest.mark.slow
def test_nni_still_makes_all_layers_slicable():
    supernet = RandomOneShot().mutate_model(NniDARTS(4, 3, 'cifar'))
    assert any(isinstance(module, MixedOperation) for module in supernet.modules())
