"""Batches again and again, and their place in the loader, against a loop that never stopped."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, RandomSampler, SubsetRandomSampler

from nni_rankreg.data import ImageTensors, image_loader
from nni_rankreg.data.batches import EndlessBatches, loader_state, set_loader_state

IMAGES = ImageTensors(torch.arange(7.).view(7, 1, 1, 1).repeat(1, 1, 2, 2), torch.arange(7),
                      flip=True, padding=1)


def generator(seed):
    return torch.Generator().manual_seed(seed)


LOADERS = {
    'global generator': lambda: image_loader(IMAGES, 2, shuffle=True),
    'own generator': lambda: DataLoader(range(7), 2, shuffle=True, generator=generator(3)),
    "the sampler's": lambda: DataLoader(range(7), 2, sampler=SubsetRandomSampler(
        range(7), generator=generator(3))),
    'no random order': lambda: DataLoader(range(7), 2),
    'workers': lambda: DataLoader(range(7), 2, shuffle=True, generator=generator(3),
                                  num_workers=1),
}


def contents(batches, count):
    """Return batches, and what else is drawn between them."""
    return [(str(batches.next()), torch.rand(1).item(), np.random.rand()) for _ in range(count)]


@pytest.mark.parametrize('name, count', [
    *((name, count) for name in LOADERS for count in (0, 1, 3, 4, 6)
      if name != 'workers' or count in (1, 4)),               # to start a worker takes long
    *(pytest.param('workers', count, marks=pytest.mark.slow) for count in (0, 3, 6))])
def test_continued(name, count, tmp_path):
    torch.manual_seed(1)
    np.random.seed(1)
    loader = LOADERS[name]()
    batches = EndlessBatches(lambda: loader)
    contents(batches, count)
    torch.save(batches.state_dict(), tmp_path / 'state')
    states = torch.get_rng_state(), np.random.get_state()
    expected = contents(batches, 6)

    torch.manual_seed(2)
    torch.set_rng_state(states[0])
    np.random.set_state(states[1])
    other = LOADERS[name]()
    resumed = EndlessBatches(lambda: other)
    resumed.load_state_dict(torch.load(tmp_path / 'state', weights_only=True))
    assert contents(resumed, 6) == expected
    assert torch.equal(torch.cat([one.view(-1) for one in loader_state(loader)] or states[:1]),
                       torch.cat([one.view(-1) for one in loader_state(other)] or states[:1]))


def test_generators_of_a_collection():
    def make(seed):
        shared = generator(seed)
        return {'a': DataLoader(range(4), shuffle=True, generator=shared),
                'b': [DataLoader(range(4), sampler=RandomSampler(range(4), generator=shared)),
                      DataLoader(range(4), sampler=RandomSampler(range(4),
                                                                 generator=generator(seed)))]}

    states = loader_state(make(1))
    assert len(states) == 2
    set_loader_state(other := make(2), states)
    assert all(map(torch.equal, loader_state(other), states))
    with pytest.raises(ValueError, match='Expected a loader with 2 random generators.*got one '
                                         'with 0'):
        set_loader_state(DataLoader(range(4)), states)
