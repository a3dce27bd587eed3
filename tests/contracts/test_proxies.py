"""What every proxy promises. A new one is a line in `UNDEFINED`; one that is missing is found."""

from __future__ import annotations

import inspect
import math

import pytest
import torch
from helpers.members import add_member, members
from helpers.randomness import global_numbers
from helpers.small import small_batch, small_network
from torch import nn

from nni_rankreg import proxy as room
from nni_rankreg.proxy import PROXIES, ProxyError, ProxyScorer
from nni_rankreg.sampler import UniformSampler

IMAGES, LABELS = small_batch()
NO_LAYER, NO_RELU = nn.Sequential(nn.Flatten()), nn.Sequential(nn.Conv2d(3, 2, 1), nn.Flatten())
# What a proxy has no score for: a network, labels, and what it says; None if it scores everything.
UNDEFINED = {
    **dict.fromkeys(['snip', 'grad_norm', 'grasp', 'synflow', 'fisher', 'zen', 'l2_norm', 'plain'],
                    (NO_LAYER, LABELS, 'a network with convolutions or linear layers')),
    'flops': (NO_LAYER, LABELS, 'a network with convolutions or linear layers, recurrent ones or '
                                'attention'),
    'naswot': (NO_RELU, LABELS, 'a network that calls modules of the family of nn.ReLU'),
    'epe_nas': (NO_RELU, torch.arange(6), 'class indices .* at least one occurs twice'),
    'jacov': None,
    'params': None,
}
CASES = pytest.mark.parametrize('name, options', [
    *((name, {}) for name in PROXIES), ('zen', {'residuals': False})])
EVERY = pytest.mark.parametrize('name', PROXIES)


def missing():
    found = members(room, lambda one: inspect.isfunction(one) and list(
        inspect.signature(one).parameters)[:2] == ['network', 'batch'])
    return (found.keys() ^ PROXIES.keys()) | (PROXIES.keys() ^ UNDEFINED.keys())


def test_none_is_missing(monkeypatch):
    def other(network, batch):
        return 0.

    assert not missing()
    add_member(monkeypatch, room.static, 'other', other)
    assert missing() == {'other'}


# The network

def state(network):
    """Return all that a proxy may touch, hooks and instance attributes included."""
    attributes = [{name: value for name, value in vars(module).items()
                   if not name.startswith('_') and not isinstance(value, (nn.Module, torch.Tensor))}
                  for module in network.modules()]
    hooks = [len(value) for module in network.modules() for name, value in vars(module).items()
             if name.endswith('hooks')]
    return (attributes, hooks, [type(module) for module in network.modules()],
            [list(vars(module)['_modules']) for module in network.modules()],
            [parameter.requires_grad for parameter in network.parameters()])


def tensors(network):
    return ([value.clone() for value in network.state_dict().values()]
            + [parameter.grad for parameter in network.parameters()])


def disordered():
    """Return a network in a state that is not the one it begins with."""
    network = small_network().eval()
    network.block.train()
    network.head.weight.requires_grad_(False)
    network.stem[0].weight.grad = torch.ones_like(network.stem[0].weight)
    network.block[1].running_mean.fill_(3.)
    network.relu.register_forward_hook(lambda *_: None)
    return network


@CASES
@pytest.mark.parametrize('fails', [False, True])
def test_nothing_is_left_behind(name, options, fails):
    network, images = disordered(), IMAGES.clone()
    if fails:
        network.head.in_features, network.head.weight.data = 7, torch.zeros(5, 7)
    before, values, randomness = state(network), tensors(network), global_numbers()
    try:
        PROXIES[name](network, (images, LABELS), **options)
    except RuntimeError as error:
        assert fails and 'shapes cannot be multiplied' in str(error)
    assert state(network) == before
    assert all(a is b if a is None else torch.equal(a, b)
               for a, b in zip(values, tensors(network)))
    assert global_numbers() == randomness
    assert torch.equal(images, IMAGES) and not images.requires_grad and torch.is_grad_enabled()


# The score

@CASES
def test_a_finite_number_whatever_the_state_around(name, options):
    """In any mode, without gradients, after any random numbers."""
    network, batch, proxy = small_network(), (IMAGES, LABELS), PROXIES[name]
    expected = proxy(network, batch, **options)
    assert type(expected) is float and math.isfinite(expected)
    torch.manual_seed(9)
    assert proxy(network.eval(), batch, **options) == expected
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    with torch.no_grad():
        assert proxy(network.train(), batch, **options) == expected


@pytest.mark.parametrize('name', [name for name, case in UNDEFINED.items() if case is not None])
def test_what_has_no_score_is_refused(name):
    network, labels, message = UNDEFINED[name]
    before = state(network)
    with pytest.raises(ProxyError, match=f'Expected {message}, got'):
        PROXIES[name](network, (IMAGES, labels))
    assert state(network) == before


@EVERY
def test_options_are_named_and_have_defaults(name):
    """A name with a spelling mistake is refused."""
    _, _, *options = inspect.signature(PROXIES[name]).parameters.values()
    assert all(one.kind is one.KEYWORD_ONLY and one.default is not one.empty for one in options)
    with pytest.raises(TypeError, match='unexpected keyword argument'):
        PROXIES[name](small_network(), (IMAGES, LABELS), colour='red')


@EVERY
@pytest.mark.filterwarnings('ignore:.* is not finite for 1 of 5')
def test_scores_of_a_space(name, make_space):
    """One for each architecture, the same for the same seed; what is not finite is NaN."""
    space = make_space()
    samples = [*UniformSampler(space, seed=0).distinct(4), dict.fromkeys(space.simplify(), 'none')]
    first, second, other = (ProxyScorer(name, space, (IMAGES, LABELS), seed=seed)(samples)
                            for seed in (3, 3, 4))
    assert first.shape == (5,) and first.dtype == torch.float64 and not first.isinf().any()
    assert torch.equal(first.nan_to_num(), second.nan_to_num()) and first[:4].isfinite().all()
    assert torch.equal(first.nan_to_num(), other.nan_to_num()) is (name in ('flops', 'params'))
    assert len(set(first[:4].tolist())) > 1
