"""The loaders of a training: who trains on what, and where a training goes on."""

from __future__ import annotations

import nni
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from nni_rankreg.data import HeldOut, Loaders

DATA = TensorDataset(torch.arange(16))


def make(seed=0, data=DATA):
    """Return a loader in random order."""
    return DataLoader(data, 4, shuffle=True, generator=torch.Generator().manual_seed(seed))


def drawn(loader):
    return [one for batch, in loader for one in batch.tolist()]


@pytest.mark.parametrize('arguments, message', [
    (dict(loader=5), 'Expected a loader of held-out data, got 5'),
    (dict(loader='data'), "Expected a loader of held-out data, got 'data'"),
    (dict(batch_size=0), 'Expected a whole number from 1 to 1000000 as batch_size, got 0'),
    (dict(batch_size=True), 'as batch_size, got True'),
    (dict(batch_size=2.5), 'as batch_size, got 2.5')])
def test_what_holds_nothing_out(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        HeldOut(**arguments)


def test_all_data_train_the_supernet():
    loaders, loader = Loaders(), make()
    assert loaders.train(lambda: loader) is loader is loaders.training
    assert loaders.ranking is None
    with pytest.raises(ValueError, match='Expected held-out batches for the regularisers and the '
                                         'architecture, got none'):
        loaders.held_out.next()


@pytest.mark.parametrize('batch_size', [None, 2])
def test_half_of_the_data_is_held_out(batch_size):
    loaders = Loaders(HeldOut(batch_size=batch_size))
    training = loaders.train(make)
    assert training is loaders.training
    halves = drawn(training), drawn(loaders.ranking)
    assert len(halves[0]) == len(halves[1]) == 8 and sorted(sum(halves, [])) == list(range(16))
    assert (training.batch_size, loaders.ranking.batch_size) == (4, batch_size or 4)
    batch, = loaders.held_out.next()
    assert len(batch) == (batch_size or 4) and set(batch.tolist()) <= set(halves[1])


def test_own_data_are_held_out():
    own, loader = make(1), make()
    loaders = Loaders(HeldOut(own, batch_size=2))
    assert loaders.train(lambda: loader) is loader
    assert loaders.ranking is own


def test_split_of_a_seed_and_of_a_process():
    def halves(**kwargs):
        loaders = Loaders(HeldOut(), **kwargs)
        return set(drawn(loaders.train(make))), set(drawn(loaders.ranking))

    assert halves(seed=1) == halves(seed=1) != halves(seed=2)
    (first, whole), parts = halves(), [halves(rank=rank, processes=2) for rank in (0, 1)]
    assert [one for one, _ in parts] == [first, first]
    assert parts[0][1] | parts[1][1] == whole and not parts[0][1] & parts[1][1]


def test_a_loader_that_is_made_anew_is_split_alike():
    """Lightning may ask a data module again in each epoch."""
    loaders = Loaders(HeldOut())
    first = set(drawn(loaders.train(make)))
    held_out = {one for _ in range(2) for one in loaders.held_out.next()[0].tolist()}
    assert set(drawn(loaders.train(make))) == first
    assert {one for _ in range(2) for one in loaders.held_out.next()[0].tolist()} == held_out


@pytest.mark.parametrize('several', [False, True])
def test_the_first_validation_loader_scores(several):
    loaders, first = Loaders(), make()
    assert loaders.validation is None
    made = [first, make(1)] if several else first
    assert loaders.validate(lambda: made) is made
    assert loaders.validation is first


def course(loaders, count=5):
    """Return what is trained on next, and what is held out."""
    return [(drawn(loaders.training), loaders.held_out.next()[0].tolist()) for _ in range(count)]


@pytest.mark.parametrize('late', [False, True])
def test_a_training_goes_on(late, tmp_path):
    """A data module makes its loaders after the checkpoint has been read."""
    loaders = Loaders(HeldOut(batch_size=3))
    loaders.train(make)
    course(loaders)
    torch.save(loaders.state_dict(), tmp_path / 'state')
    expected = course(loaders)

    resumed, state = Loaders(HeldOut(batch_size=3)), torch.load(tmp_path / 'state',
                                                                weights_only=True)
    if not late:
        resumed.train(make)
        course(resumed, 2)
    resumed.load_state_dict(state)
    if late:
        again = resumed.state_dict()  # as Lightning's check of the validation asks for it
        assert all(map(torch.equal, again['training'], state['training']))
        resumed.train(make)
    assert course(resumed) == expected


def test_a_state_is_taken_once():
    """A loader that is made anew in the next epoch goes on by itself."""
    loaders = Loaders()
    loader = loaders.train(make)
    resumed = Loaders()
    resumed.load_state_dict(loaders.state_dict())
    first = drawn(resumed.train(make))
    assert first == drawn(loader)
    assert drawn(resumed.train(lambda: make(5))) == drawn(make(5)) != first


def test_nothing_is_known_before_the_loaders_are_made():
    assert Loaders(HeldOut()).state_dict() == {'training': None,
                                               'held_out': {'start': None, 'count': 0}}


def test_held_out_data_travel_in_jobs():
    copy = nni.load(nni.dump(HeldOut(batch_size=3)))
    assert (copy.loader, copy.batch_size) == (None, 3)
