"""Tests of `nni_rankreg.predictor.evidence`."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
import torch
from nni.mutable import Categorical
from scipy import stats

from nni_rankreg.archive import Archive
from nni_rankreg.predictor import (
    ChoiceEncoder,
    Description,
    Evidence,
    EvidenceEncoder,
    LearnedTeacher,
    RankAverage,
    Remembered,
)
from nni_rankreg.proxy import ProxyScorer
from nni_rankreg.sampler import UniformSampler
from nni_rankreg.space import NasBench201
from nni_rankreg.strategy import CandidatePool
from nni_rankreg.typing import sample_key

SPACE = {f'x{i}': Categorical(list(range(5)), label=f'x{i}') for i in range(4)}


def total(samples):
    return torch.tensor([float(sum(sample.values())) for sample in samples])


def first(samples):
    return torch.tensor([float(sample['x0']) for sample in samples])


def holes(samples):
    return torch.tensor([math.nan if sample['x1'] == 0 else math.inf if sample['x1'] == 1
                         else -float(sample['x2']) for sample in samples])


SCORERS = {'total': total, 'first': first, 'holes': holes}


class Recording:
    """A scorer that remembers what it was asked, and takes some seconds for each."""

    def __init__(self, seconds=0.):
        self.seconds, self.asked = seconds, list[str]()

    def __call__(self, samples):
        self.asked.extend(map(sample_key, samples))
        time.sleep(self.seconds * len(samples))
        return total(samples)


@pytest.fixture(scope='module')
def evidence():
    return Evidence(SPACE, scorers=SCORERS, reference=200, seed=3)


@pytest.fixture(scope='module')
def samples():
    return UniformSampler(SPACE, seed=9).distinct(150)


def naive_rank(score, reference):
    """Return the rank by counting, one architecture at a time."""
    score = score if math.isfinite(score) else -math.inf
    others = [one if math.isfinite(one) else -math.inf for one in reference]
    below, equal = sum(one < score for one in others), sum(one == score for one in others)
    return (below + equal / 2 + .5) / (len(others) + 1)


def test_ranks_count_the_reference(evidence, samples):
    reference = UniformSampler(SPACE, seed=3).distinct(200)
    expected = np.transpose([
        [naive_rank(score, scorer(reference).tolist()) for score in scorer(samples).tolist()]
        for scorer in SCORERS.values()])
    np.testing.assert_allclose(evidence.ranks(samples), expected, rtol=0, atol=1e-12)
    assert evidence.names == list(SCORERS)


def test_what_is_not_finite_is_the_worst(evidence, samples):
    ranks = evidence.ranks(samples)[:, 2]
    bad = torch.tensor([sample['x1'] < 2 for sample in samples])
    assert ranks[bad].unique().numel() == 1 and ranks[bad][0] < ranks[~bad].min()


def test_vote_is_the_sum_of_logarithms(evidence, samples):
    ranks = evidence.ranks(samples).numpy()
    np.testing.assert_allclose(evidence(samples), [sum(map(math.log, row)) for row in ranks])


def test_features_are_normal_scores(evidence, samples):
    features = evidence.features(samples).numpy()
    assert features.shape == (150, 4) and features.dtype == np.float32
    np.testing.assert_allclose(features[:, :3], stats.norm.ppf(evidence.ranks(samples)), rtol=1e-5)
    assert stats.spearmanr(features[:, 3], evidence(samples)).statistic > .999


def test_no_architecture_is_scored_twice(samples):
    scorer = Recording()
    evidence = Evidence(SPACE, scorers=[scorer], reference=50)
    evidence.ranks(samples)
    evidence.vote(samples)
    evidence.features(samples)
    assert len(scorer.asked) == len(set(scorer.asked))


def test_the_reference_is_scored_first(samples):
    """So that it is known how long others take."""
    scorer = Recording()
    evidence = Evidence(SPACE, scorers=[scorer], reference=20)
    evidence.ranks(samples)
    assert scorer.asked[:20] == list(map(sample_key, evidence.among))


def test_what_takes_long_is_dear():
    large = {f'x{i}': Categorical(list(range(6)), label=f'x{i}') for i in range(20)}
    quick, slow = (Evidence(large, scorers=[Recording(seconds)], reference=20)
                   for seconds in (0., .01))
    assert not quick.dear and slow.dear
    pool = CandidatePool(size=300, scored=30)
    assert not pool.of(large, 0, quick).listed and len(pool.of(large, 0, slow).sample(300)) == 30
    assert slow.seconds['Recording'] > .005


def test_a_slow_start_is_not_dear():
    """What a scorer loads with its first call is no cost of an architecture."""
    def loading(samples):
        if not started:
            time.sleep(.1)
        started.append(True)
        return total(samples)
    started = list[bool]()
    assert not Evidence(SPACE, scorers=[loading], reference=20).dear


def test_kept_evidence_knows_what_was_computed(tmp_path, samples):
    scorer = Recording()
    evidence = Evidence(SPACE, scorers=[scorer], reference=50)
    ranks = evidence.ranks(samples)
    kept = evidence.kept_in(Archive(tmp_path / 'x.sqlite'))
    asked = len(scorer.asked)
    assert torch.equal(kept.ranks(samples), ranks) and len(scorer.asked) == asked
    assert kept.seconds == evidence.seconds


def test_proxies_computed_before_are_kept(tmp_path):
    space, batch = NasBench201(4, 1, 10), (torch.rand(4, 3, 8, 8), torch.arange(4))
    batches = iter([batch, (batch[0] + 1, batch[1])])   # a loader that begins anew each time
    samples = UniformSampler(space, seed=1).distinct(3)
    archive = Archive(tmp_path / 'x.sqlite')
    evidence = Evidence(space, batches, ['naswot'], reference=samples, progress=False)
    ranks = evidence.ranks(samples)
    assert torch.equal(evidence.kept_in(archive).ranks(samples), ranks)
    scorer = ProxyScorer('naswot', space, batch, cache=archive)
    assert archive.scores(scorer.key).keys() == set(map(sample_key, samples))


@pytest.mark.parametrize('named', [True, False])
def test_a_resumed_search_does_not_repeat_a_dear_scorer(tmp_path, samples, named):
    """If the user has given it a name; whether it is dear is known in any case."""
    def search(seconds):
        scorer = Recording(seconds)
        given = {'mine': scorer} if named else [scorer]
        evidence = Evidence(SPACE, scorers=given, reference=10)
        return scorer, evidence.kept_in(Archive(tmp_path / 'x.sqlite'))
    scorer, evidence = search(.01)
    ranks = evidence.ranks(samples[:5])
    again, resumed = search(0.)
    assert torch.equal(resumed.ranks(samples[:5]), ranks)
    assert again.asked == [] if named else len(again.asked) == len(scorer.asked)
    assert resumed.dear and resumed.seconds == evidence.seconds


def test_a_cheap_scorer_is_never_stale(tmp_path, samples):
    archive = Archive(tmp_path / 'x.sqlite')
    for scorer in (total, first):
        evidence = Evidence(SPACE, scorers={'mine': scorer}, reference=50).kept_in(archive)
        assert torch.equal(evidence.ranks(samples),
                           Evidence(SPACE, scorers=[scorer], reference=50).ranks(samples))
        assert not evidence.dear


def test_small_space_is_its_own_reference():
    small = {'x0': Categorical([0, 1, 2], label='x0')}
    ranks = Evidence(small, scorers=[first], reference=1000).ranks([{'x0': i} for i in range(3)])
    assert ranks[:, 0].tolist() == [.25, .5, .75]


def test_only_what_counts_is_the_reference():
    evidence = Evidence(SPACE, scorers=[first], reference=1000,
                        accept=lambda sample: sample['x0'] > 2)
    assert evidence.ranks([{f'x{i}': 0 for i in range(4)}]).item() < 1 / 250


def test_proxies_by_name_are_kept_in_an_archive(tmp_path):
    space = NasBench201(4, 1, 10)
    batch = torch.rand(4, 3, 8, 8), torch.arange(4)
    samples = UniformSampler(space, seed=1).distinct(6)
    names = ['flops', 'naswot']
    archive = Archive(tmp_path / 'x.sqlite')
    evidence = Evidence(space, batch, names, reference=samples, progress=False).kept_in(archive)
    features = evidence.features(samples)
    for name in names:
        scorer = ProxyScorer(name, space, batch, cache=archive)
        assert archive.scores(scorer.key).keys() == set(map(sample_key, samples))
    again = Evidence(space, batch, names, reference=samples, cache=archive, processes=2,
                     progress=False)
    assert evidence.dear and again.kept_in(Archive(tmp_path / 'y.sqlite')) is again
    assert torch.equal(again.features(samples), features)


def test_processes_score_the_same(tmp_path):
    space, batch = NasBench201(4, 1, 10), (torch.rand(4, 3, 8, 8), torch.arange(4))
    samples = UniformSampler(space, seed=1).distinct(5)
    archive = Archive(tmp_path / 'x.sqlite')
    scorer = ProxyScorer('synflow', space, batch, processes=2, cache=archive)
    expected = ProxyScorer('synflow', space, batch)(samples)
    assert torch.equal(scorer(samples), expected)
    assert sorted(archive.scores(scorer.key).values()) == sorted(expected.tolist())


def test_seconds_are_announced(caplog):
    caplog.set_level('INFO')
    evidence = Evidence(SPACE, scorers=[first], reference=10)
    evidence.seconds['first'] = 9.
    evidence.ranks(UniformSampler(SPACE, seed=5).distinct(30))
    assert 'architectures by first takes about' in caplog.text


def test_seconds_of_the_reference_are_announced(monkeypatch, caplog):
    """Before most of it has been scored."""
    caplog.set_level('INFO')
    clock, said = [0.], []

    def slow(samples):
        said.append(caplog.text)
        clock[0] += len(samples)
        return total(samples)
    monkeypatch.setattr(time, 'monotonic', lambda: clock[0])
    Evidence(SPACE, scorers=[slow], reference=48).ranks([])
    assert len(said) == 2 and 'Scoring 40 architectures by slow takes about 40 s.' in said[1]


def test_encoder_with_evidence(evidence, samples):
    encoder = ChoiceEncoder(SPACE)
    graphs = EvidenceEncoder(encoder, evidence)(samples)
    assert torch.equal(graphs.extras, evidence.features(samples))
    assert torch.equal(graphs.features, encoder(samples).features)


@pytest.mark.parametrize('arguments, message', [
    (dict(scorers=[]), 'at least one scorer'),
    (dict(scorers=[first, first]), 'different names'),
    (dict(scorers=['synflow']), 'a batch of images and labels for the proxy synflow'),
    (dict(scorers=first), 'a list of scorers or a dict .* put a lone scorer into a list'),
    (dict(scorers='synflow'), "a list of scorers or a dict .* got 'synflow'; put a lone scorer"),
    (dict(scorers=None), 'a list of scorers or a dict .* got None'),
    (dict(scorers={'a': 5}), "functions of N architectures, got 5 of the name 'a'"),
    (dict(scorers=[None]), 'functions of N architectures, got None'),
    (dict(scorers={5: first}), 'got .* of the name 5'),
    (dict(scorers=[first], reference=1), 'at least 2 architectures as reference, got 1'),
    (dict(scorers=[first], reference=[]), 'at least 2 architectures as reference, got 0'),
    (dict(scorers=[first], reference=[{'x0': 0}]), 'at least 2 architectures as reference, got 1'),
    (dict(scorers=[first], reference=2.5), 'a number of architectures as reference.* got 2.5'),
    (dict(scorers=[first], reference='few'), "a number of architectures as reference.* got 'few'")])
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=f'Expected .*{message}'):
        Evidence(SPACE, **arguments)


@pytest.mark.parametrize('name', ['average', 'predictor', 'supernet', 'vote'])
def test_names_of_other_sources_are_taken(name):
    def scorer(samples):
        return total(samples)
    scorer.__name__ = name
    for scorers in ({name: total}, [scorer]):
        with pytest.raises(ValueError, match=f'other names than average.* got {name}; give a dict'):
            Evidence(SPACE, scorers=scorers)


def test_reference_of_a_numpy_number(samples):
    ranks = [Evidence(SPACE, scorers=[total], reference=count).ranks(samples)
             for count in (50, np.int64(50))]
    assert torch.equal(*ranks)


@pytest.mark.parametrize('convert', [np.array, list, tuple, torch.tensor])
def test_scores_as_numbers_of_any_kind(convert, samples):
    evidence = Evidence(SPACE, scorers=[lambda asked: convert(total(asked).tolist())])
    assert torch.equal(evidence.ranks(samples), Evidence(SPACE, scorers=[total]).ranks(samples))


@pytest.mark.parametrize('wrong, got', [
    (lambda found: None, 'None'),
    (lambda found: 'high', "'high'"),
    (lambda found: found[1:], r'shape \(1,\)'),
    (lambda found: [*found, 1.], r'shape \(3,\)'),
    (lambda found: found[:, None], r'shape \(2, 1\)'),
    (lambda found: 1., r'shape \(\)')])
def test_what_is_no_number_of_each_architecture(wrong, got):
    def scorer(samples):
        return wrong(total(samples))
    samples = UniformSampler(SPACE).distinct(2)
    message = rf'Expected 2 scores of shape \(2,\) from the scorer {{}}, got {got}'
    with pytest.raises(ValueError, match=message.format('mine')):
        Evidence(SPACE, scorers={'mine': scorer}, reference=2).ranks(samples)
    with pytest.raises(ValueError, match=message.format('scorer')):
        RankAverage([scorer], samples)
    with pytest.raises(ValueError, match=message.format('scorer')):
        Remembered(scorer)(samples)


def test_a_scorer_that_raises_is_named():
    with pytest.raises(RuntimeError, match="2 scores from the scorer mine, got KeyError: 'x0'"):
        Evidence(SPACE, scorers={'mine': first}, reference=[{'y': 0}, {'y': 1}]).ranks([])


@pytest.mark.parametrize('arguments, message', [
    (dict(scorers='synflow'), "a list of names of proxies, got 'synflow'"),
    (dict(scorers=None), 'a list of names of proxies, got None'),
    (dict(scorers=[first]), 'a list of names of proxies, got .*first'),
    (dict(reference=1), 'at least 2 architectures as reference, got 1')])
def test_wrong_arguments_of_a_teacher(arguments, message):
    with pytest.raises(ValueError, match=f'Expected {message}'):
        LearnedTeacher(**arguments)


def test_a_teacher_takes_a_supernet_as_evidence(samples):
    teacher = LearnedTeacher([], reference=20).over(SPACE, None, scorers={'supernet': total})
    teacher.fit(samples[:30], total(samples[:30]).tolist())
    assert stats.spearmanr(teacher.score(samples[30:]), total(samples[30:])).statistic > .9


def test_a_description_scales_by_the_same_architectures(samples):
    """A dear scorer meets no others, as it would if these were drawn anew."""
    met = set()

    def scorer(asked):
        met.update(map(sample_key, asked))
        return total(asked)

    evidence = Evidence(SPACE, scorers=[scorer], reference=4, seed=3)
    Description(SPACE, evidence=evidence)(samples[:1])
    assert met == set(map(sample_key, [*evidence.among, samples[0]]))
