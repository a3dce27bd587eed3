"""What every predictor of performance promises. A new one is a line; if not, it is found."""

from __future__ import annotations

import inspect
import pickle

import pytest
import torch
from helpers.members import add_member, is_protocol, members
from helpers.spaces import ANY

from nni_rankreg import predictor as room
from nni_rankreg.metric import kendall_tau
from nni_rankreg.predictor import Ensemble, GaussianProcess, Ranker, Training, Trees
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.space import NasBench201, ProxylessNAS

SPACES = {                                      # with the choice that makes architectures good
    'cell': (lambda: NasBench201(4, 1, 10), 'conv_3x3'),
    'chain': (lambda: ProxylessNAS(10, (8,) * 9, (2, 1, 2, 1, 1, 1)), 'k7e6'),
    'any': (lambda: ANY, 'conv'),
}
PREDICTORS = {
    'Ranker': lambda space, seed: Ranker(
        space, seed=seed, progress=False, hidden=8, layers=2, embedding=16,
        fitting=Training(20, 20, learning_rate=.02)),
    'Trees': lambda space, seed: Trees(space, seed=seed, estimators=20),
    'GaussianProcess': lambda space, seed: GaussianProcess(space),
    'Ensemble': lambda space, seed: Ensemble(space, seed=seed),
}
EVERY = pytest.mark.parametrize('name', PREDICTORS)


@pytest.fixture(scope='module', params=SPACES)
def problem(request):
    """Return a space, architectures, and how often each has the good choice."""
    make_space, good = SPACES[request.param]
    space = make_space()
    samples = UniformSampler(space, seed=0).distinct(60)
    return space, samples, [float(list(sample.values()).count(good)) for sample in samples]


@pytest.fixture(scope='module', params=PREDICTORS)
def fitted(request, problem):
    """Return a predictor that has learnt from the first 40 architectures."""
    space, samples, metric = problem
    return PREDICTORS[request.param](space, 0).fit(samples[:40], metric[:40])


def missing():
    found = members(room, lambda one: inspect.isclass(one) and not is_protocol(one)
                    and 'fit' in vars(one) and hasattr(one, 'score'))
    return found.keys() ^ PREDICTORS.keys()


def test_none_is_missing(monkeypatch):
    class OtherPredictor:
        def fit(self, samples, metric):
            raise NotImplementedError

        def score(self, samples):
            raise NotImplementedError

    assert not missing()
    add_member(monkeypatch, room.ranker, 'OtherPredictor', OtherPredictor)
    assert missing() == {'OtherPredictor'}


def test_scores(fitted, problem):
    """They are finite, one for each architecture, and learnt from the results."""
    _, samples, metric = problem
    scores = fitted.score(samples)
    assert scores.shape == (60,) and scores.dtype == torch.float64 and scores.isfinite().all()
    assert kendall_tau(scores[:40], metric[:40]) > .3
    mean, spread = fitted.predict(samples)
    assert torch.equal(fitted(samples), scores) and torch.equal(mean, scores)
    assert spread.shape == (60,) and (spread >= 0).all()
    assert fitted.score([]).shape == fitted.predict([]).spread.shape == (0,)


@EVERY
def test_fit_depends_on_results_and_seed_alone(name, problem):
    """Not on earlier fits, nor on the global generators, which it leaves alone."""
    space, samples, metric = problem
    first, second, other = (PREDICTORS[name](space, seed) for seed in (0, 0, 1))
    assert first.fit(samples[:40], metric[:40]) is first
    scores = first.score(samples)
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    second.fit(samples[20:], metric[20:])
    second.fit(samples[:40], metric[:40])
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(second.score(samples), scores)
    if name != 'GaussianProcess':          # nothing is random there
        assert not torch.equal(other.fit(samples[:40], metric[:40]).score(samples), scores)


def test_a_score_does_not_depend_on_company(fitted, problem):
    _, samples, _ = problem
    torch.testing.assert_close(fitted.score(samples[5:9]), fitted.score(samples)[5:9])


def test_copies_score_alike(fitted, problem):
    _, samples, _ = problem
    copied = pickle.loads(pickle.dumps(fitted))
    assert torch.equal(copied.score(samples), fitted.score(samples))


@EVERY
def test_equal_results_are_no_error(name, problem):
    space, samples, _ = problem
    assert PREDICTORS[name](space, 0).fit(samples, [.5] * 60).score(samples).isfinite().all()


@EVERY
def test_errors(name, problem):
    space, samples, _ = problem
    predictor = PREDICTORS[name](space, 0)
    with pytest.raises(RuntimeError, match='Expected .*fitted.*; call fit first'):
        predictor.score(samples)
    with pytest.raises(ValueError, match='Expected 60 values of metric.*got 1'):
        predictor.fit(samples, [1.])
    with pytest.raises(ValueError, match='Expected at least .* got 0|got none'):
        predictor.fit([], [])
