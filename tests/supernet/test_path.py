"""Architectures of a super-net: those that are drawn, and their losses."""

from __future__ import annotations

from functools import partial

import pytest
import torch
import torch.nn.functional as F

from nni_rankreg.sampler import FairSampler, UniformSampler
from nni_rankreg.supernet.path import PathModule


@pytest.fixture
def make_path(make_module):
    """Return a function that makes the module of a super-net that is switched, not trained."""
    return partial(make_module, kind=PathModule)


def test_only_accepted_architectures_are_trained(make_module, make_loader, fit):
    drawn = []

    def accept(sample):
        drawn.append(sample['cell/0_1'] == 'conv_3x3')
        return drawn[-1]

    module = make_module(accept=accept)
    trained = []
    activate = module.activate
    module.activate = lambda sample: (trained.append(sample), activate(sample))
    fit(module, make_loader(48, 8))
    assert len(trained) == 6 == sum(drawn) < len(drawn)
    assert {sample['cell/0_1'] for sample in trained} == {'conv_3x3'}
    assert module.export()['cell/0_1'] == 'conv_3x3'


def test_an_impossible_filter(make_path):
    calls = []
    module = make_path(accept=calls.append)
    with pytest.raises(ValueError, match='accepted by .*, got none in 10000 draws: loosen'):
        module.draw()
    assert len(calls) == 10_000


@pytest.mark.parametrize('seeds, same', [((1, 1), True), ((1, 2), False)])
def test_seed(seeds, same, make_path):
    draws = []
    for seed in seeds:
        torch.manual_seed(len(draws))  # global generators have no part in it
        module = make_path(seed=seed)
        draws.append([module.draw() for _ in range(5)])
    assert (draws[0] == draws[1]) is same


def test_architectures_of_a_step(make_path, make_space):
    """One, uniformly, or those of a sampler, drawn again as long as the filter rejects one."""
    assert make_path(seed=3).paths() == [UniformSampler(make_space(), 3).sample()]
    sampler, seen = FairSampler(make_space(), 3), []
    steps = [sampler.paths() for _ in range(4)]
    module = make_path(sampler=FairSampler(make_space(), 3))
    assert [module.paths() for _ in range(4)] == steps

    def accept(sample):
        seen.append(sample)
        return sample not in steps[0][1:]

    assert make_path(sampler=FairSampler(make_space(), 3), accept=accept).paths() == steps[1]
    assert seen == [*steps[0][:2], *steps[1]]


def test_a_filter_that_rejects_every_step(make_path, make_space):
    seen = []
    module = make_path(sampler=FairSampler(make_space(), 3), accept=seen.append)
    with pytest.raises(RuntimeError, match='accept all architectures of a step, got 10000 '
                                           'rejections in a row.*Widen its bounds'):
        module.paths()
    assert len(seen) == 10_000


@pytest.mark.slow
@pytest.mark.parametrize('fair', [False, True])
def test_draws_go_on_from_the_state(fair, make_path, make_space):
    def make(seed=3):
        return make_path(sampler=FairSampler(make_space(), seed) if fair else None, seed=3)

    module, resumed = make(), make(seed=4)
    module.draw(), module.paths()
    resumed.load_search_state(module.search_state())
    draws = [[(one.draw(), one.paths()) for _ in range(5)] for one in (module, resumed)]
    assert draws[0] == draws[1]
    with pytest.raises(ValueError, match='the same seed, 4, got one with 3. Remove it'):
        make_path(seed=4).load_search_state(module.search_state())


def test_resample_activates_what_it_returns(make_path, make_batches):
    module, (batch,) = make_path(), make_batches([6])
    for _ in range(3):
        sample = module.resample()
        assert set(sample) == set(module.model.simplify())
        torch.testing.assert_close(module(batch[0]), module.model.freeze(sample)(batch[0]))


def test_subnet_loss_is_that_of_the_architecture(make_path, make_batches):
    module, (batch,) = make_path(), make_batches([6])
    for sample in UniformSampler(module.model).distinct(3):
        network = module.model.freeze(sample).train()
        torch.testing.assert_close(module.subnet_loss(sample, batch),
                                   F.cross_entropy(network(batch[0]), batch[1]))
    assert not module.training_module.metrics['acc']._update_count


def test_batches_reach_the_device_of_the_supernet(make_path, make_batches):
    module, (batch,) = make_path(), make_batches([4])
    moved = module.to('meta').to_device({'pair': batch})
    assert [one.device.type for one in moved['pair']] == ['meta', 'meta']


def test_alone_a_process_is_the_first(make_path, make_batches):
    (batch,) = make_batches([4])
    assert all(map(torch.equal, make_path().of_first_process(batch), batch))
