"""Proxies as a scorer: batches, seeds, scores that are not finite, the cache."""

from __future__ import annotations

import copy
import json
import pickle
import warnings

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from nni_rankreg.archive import Archive
from nni_rankreg.proxy import ProxyScorer, registry
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.space import NasBench201
from nni_rankreg.typing import sample_key

NONE = {f'cell/{a}_{b}': 'none' for a, b in ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))}


@pytest.fixture
def space(make_space):
    return make_space()


@pytest.fixture
def samples(space):
    return UniformSampler(space, seed=0).distinct(4)


@pytest.fixture
def counted(monkeypatch):
    """Return the list of networks that the proxy `counted` was called with."""
    calls = []

    def proxy(network, batch, *, fail_at=None, value=1.):
        if len(calls) == fail_at:
            raise KeyboardInterrupt
        calls.append(sum(parameter.numel() for parameter in network.parameters()))
        return value * calls[-1]

    proxy.__qualname__ = 'proxy'
    monkeypatch.setitem(registry.PROXIES, 'counted', proxy)
    return calls


def test_scores_do_not_depend_on_order_or_company(space, samples, batch):
    scorer = ProxyScorer('snip', space, batch)
    scores = scorer(samples)
    assert scores.dtype == torch.float64 and scores.shape == (4,) and len(set(scores.tolist())) > 1
    again = ProxyScorer('snip', space, batch)(samples[::-1] + samples[:1])
    assert again.tolist() == [*scores.tolist()[::-1], scores[0].item()]
    assert ProxyScorer('snip', space, batch, seed=1)(samples).tolist() != scores.tolist()
    assert scorer([]).shape == (0,)


def test_each_architecture_is_scored_once_in_a_call(space, samples, batch, counted):
    scorer = ProxyScorer('counted', space, batch)
    scores = scorer([samples[0], samples[1], samples[0]])
    assert len(counted) == 2 and scores.tolist() == [counted[0], counted[1], counted[0]]


def test_a_loader_gives_its_first_batch(space, samples, batch):
    loader = DataLoader(TensorDataset(*batch), batch_size=4)
    first = batch[0][:4], batch[1][:4]
    assert torch.equal(ProxyScorer('jacov', space, loader)(samples),
                       ProxyScorer('jacov', space, first)(samples))


def test_a_loader_that_shuffles_is_seeded(space, batch):
    loader = DataLoader(TensorDataset(*batch), batch_size=4, shuffle=True)
    state = torch.get_rng_state()
    batches = [ProxyScorer('jacov', space, loader, seed=seed).batch for seed in (0, 0, 1)]
    assert torch.equal(batches[0][0], batches[1][0])
    assert not torch.equal(batches[0][0], batches[2][0])
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize('bad, message', [
    ((torch.zeros(2, 3, 8, 8),), r'got \[\(2, 3, 8, 8\)\]'),
    ((torch.zeros(2, 3, 8, 8), torch.zeros(3)), r'got \[\(2, 3, 8, 8\), \(3,\)\]'),
    ((torch.zeros(0, 3, 8, 8), torch.zeros(0)), r'got \[\(0, 3'),
    ((torch.zeros(2, 3, 8, 8), [0, 1]), 'list'),
    ([], r'got \[\]'),
    (iter([]), 'got NoneType'), (5, 'got int'),
])
def test_batches_that_are_none(space, bad, message):
    with pytest.raises(ValueError, match=f'Expected a batch of images and labels, .*{message}'):
        ProxyScorer('snip', space, bad)


def test_names_and_options_are_checked(space, batch):
    with pytest.raises(ValueError, match="Expected a proxy among .* got 'dance'"):
        ProxyScorer('dance', space, batch)
    with pytest.raises(ValueError, match=r"Expected options of zen among \['residuals', 'repeat', "
                                         r"'seed'\], got \['colour'\]"):
        ProxyScorer('zen', space, batch, options={'colour': 'red'})
    with pytest.raises(ValueError, match='Expected a model space of NNI, got Linear'):
        ProxyScorer('snip', nn.Linear(1, 1), batch)


@pytest.mark.parametrize('name', ['synflow', 'naswot', 'jacov', 'epe_nas'])
def test_what_is_not_finite_is_nan_and_told(name, space, samples, batch, tmp_path):
    archive = Archive(tmp_path / 'scores.db')
    for _ in range(2):                         # computed, then from the cache
        with pytest.warns(UserWarning, match=f'{name} is not finite for 2 of 4 architectures'):
            scores = ProxyScorer(name, space, batch, cache=archive)(
                [samples[0], NONE, samples[1], NONE])
        assert scores.isnan().tolist() == [False, True, False, True]
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert ProxyScorer(name, space, batch)(samples[:1]).isfinite().all()


def test_overflow_is_nan(space, samples, batch, counted):
    with pytest.warns(UserWarning, match='counted is not finite for 1 of 1'):
        assert ProxyScorer('counted', space, batch, options={'value': float('inf')})(
            samples[:1]).isnan().all()


# The cache

def test_cached_scores_are_not_computed_again(space, samples, batch, counted, tmp_path):
    archive = Archive(tmp_path / 'scores.db')
    first = ProxyScorer('counted', space, batch, cache=archive)(samples[:3])
    again = ProxyScorer('counted', space, batch, cache=Archive(archive.path))(samples)
    assert len(counted) == 4 and again[:3].tolist() == first.tolist()


def test_an_interrupted_scoring_goes_on(space, samples, batch, counted, tmp_path, monkeypatch):
    archive = Archive(tmp_path / 'scores.db')
    original = registry.PROXIES['counted']
    monkeypatch.setattr(original, '__kwdefaults__', {'fail_at': 2, 'value': 1.})
    scorer = ProxyScorer('counted', space, batch, cache=archive)
    with pytest.raises(KeyboardInterrupt):
        scorer(samples)
    assert len(archive.scores(scorer.key)) == 2
    monkeypatch.setattr(original, '__kwdefaults__', {'fail_at': None, 'value': 1.})
    scores = scorer(samples)
    assert len(counted) == 4 and scores.tolist() == counted


def test_scores_are_kept_while_scoring(space, samples, batch, counted, tmp_path, monkeypatch):
    monkeypatch.setattr('nni_rankreg.proxy.scorer._FLUSH', -1.)
    archive, seen = Archive(tmp_path / 'scores.db'), []
    scorer = ProxyScorer('counted', space, batch, cache=archive)
    original = scorer.score
    monkeypatch.setattr(scorer, 'score', lambda sample: (
        seen.append(len(archive.scores(scorer.key))), original(sample))[1])
    scorer(samples)
    assert seen == [0, 1, 2, 3]


def keys(archive, space, batch, make_space):
    """Yield the identities of scorers that must not share scores."""
    yield ProxyScorer('snip', space, batch, cache=archive).key
    yield ProxyScorer('plain', space, batch, cache=archive).key
    yield ProxyScorer('snip', space, batch, cache=archive, seed=1).key
    yield ProxyScorer('snip', make_space('DARTS'), batch, cache=archive).key
    yield ProxyScorer('snip', type(space)(4, 1, 9), batch, cache=archive).key
    yield ProxyScorer('snip', space, (batch[0] + 1, batch[1]), cache=archive).key
    yield ProxyScorer('snip', space, (batch[0], batch[1] + 1), cache=archive).key
    yield ProxyScorer('snip', space, (batch[0][:5], batch[1][:5]), cache=archive).key
    yield ProxyScorer('zen', space, batch, cache=archive).key
    yield ProxyScorer('zen', space, batch, cache=archive, options={'residuals': False}).key


def test_the_cache_tells_apart_what_differs(space, batch, make_space, tmp_path):
    archive = Archive(tmp_path / 'scores.db')
    found = list(keys(archive, space, batch, make_space))
    assert len(set(found)) == len(found) == 10
    assert found == list(keys(archive, make_space(), batch, make_space))
    assert json.loads(found[0])['proxy'] == 'snip'


def test_options_that_have_no_name_cannot_be_cached(space, batch, tmp_path):
    archive = Archive(tmp_path / 'scores.db')
    with pytest.raises(ValueError, match='Expected what can be imported by name in a cached'):
        ProxyScorer('snip', space, batch, options={'loss': lambda y, t: y.sum()}, cache=archive)
    named = ProxyScorer('snip', space, batch, cache=archive,
                        options={'loss': torch.nn.functional.nll_loss})
    assert 'nll_loss' in named.key


@pytest.mark.slow
def test_the_cache_is_keyed_by_architecture(space, samples, batch, tmp_path):
    archive = Archive(tmp_path / 'scores.db')
    scorer = ProxyScorer('l2_norm', space, batch, cache=archive)
    scores = scorer(samples)
    assert archive.scores(scorer.key) == dict(zip(map(sample_key, samples), scores.tolist()))
    assert len(archive) == 0                   # a proxy is no stand-alone result


@pytest.mark.parametrize('copied', [
    copy.deepcopy, lambda scorer: pickle.loads(pickle.dumps(scorer))], ids=['copy', 'pickle'])
def test_copies_score_alike(copied):
    space = NasBench201(4, 1, 10)
    scorer = ProxyScorer('params', space, (torch.rand(4, 3, 8, 8), torch.arange(4)))
    samples = UniformSampler(space, seed=1).distinct(9)
    again = copied(scorer)
    expected = scorer(samples)
    assert torch.equal(again(samples), expected) and len(set(expected.tolist())) > 3
